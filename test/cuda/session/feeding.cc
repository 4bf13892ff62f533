#include "feeding.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <new>

#include "core/failure.h"
#include "cuda/feed.h"
#include "host_stream.h"
#include "runs.h"
#include "train/pipeline.h"

namespace cuda = resnet_torch::cuda;
namespace data = resnet_torch::data;
namespace train = resnet_torch::train;

namespace {

constexpr int kSide = 64, kBatch = 4, kPictures = 15;
constexpr int kHead = 17, kFeatures = 2048;

/// Pictures of random pixels, of several sizes, in a file that is gone from its folder.
std::shared_ptr<const data::FileList> pictures() {
  auto path = (std::filesystem::temp_directory_path() / "resnet-torch-pictures-XXXXXX").string();
  const int file = mkstemp(path.data());
  expect(file >= 0, "a temporary file");
  std::filesystem::remove(path);
  auto list = std::make_shared<data::FileList>();
  std::size_t offset = 0;
  std::uint32_t random = 1;
  for (int i = 0; i < kPictures; ++i) {
    const data::RawShape shape{70 + 11 * (i % 4), 60 + 7 * (i % 5), 3};
    std::vector<std::uint8_t> pixels(shape.bytes());
    for (auto& value : pixels) value = static_cast<std::uint8_t>((random = random * 1'664'525 + 1'013'904'223) >> 24);
    expect(write(file, pixels.data(), pixels.size()) == static_cast<ssize_t>(pixels.size()), "a picture");
    list->paths.push_back("picture " + std::to_string(i));
    list->labels.push_back(i % 5);
    list->spooled.push_back({offset, pixels.size(), shape, resnet_torch::hash128(&i, sizeof i)});
    offset += pixels.size();
  }
  list->spool = std::make_shared<data::SpoolFile>(file);
  close(file);
  return list;
}

struct Fed {
  std::map<std::string, at::Tensor> values;
  int batches = 0, most = 0;
};

/// Two epochs of a session on the device's path, with its slots or without.
Fed fed(bool bySlots, bool cached) {
  static const auto files = pictures();
  computeOnDevice(true);
  train::setFeeding(at::kCPU, bySlots ? &cuda::kFeeding : nullptr);
  resnet_torch::optim::Settings sgd;
  sgd.kind = resnet_torch::optim::Kind::kSgd;
  Fed fed;
  {
    Run run(Plan{kHead, 530'000, "", sgd, {}});
    train::Feed feed(at::kCPU);
    std::shared_ptr<data::FeatureCache> cache;
    if (cached) {
      data::FeatureCacheOptions options;
      options.entryBytes = kFeatures * sizeof(float);
      options.units = kHead;
      options.memoryLimit = 9 * options.entryBytes;  // of some images alone
      cache = std::make_shared<data::FeatureCache>(options);
      cache->open();
    }
    takenMemory();
    for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
      data::LoaderOptions options;
      options.files = files;
      options.crop.kind = data::CropOptions::Kind::kRandom;
      options.crop.size = kSide;
      options.crop.flip = 0.5;
      options.batchSize = kBatch;
      options.shuffle = true;
      options.epoch = epoch;
      options.views = 1;
      options.workers = 3;
      options.features = cache;
      if (bySlots) options.memory = cuda::pinnedMemory();
      data::Loader loader(std::move(options));
      while (!loader.exhausted()) {
        feed.arrive();
        auto batch = loader.waitNext(std::chrono::minutes(1));
        expect(batch.has_value(), "a batch in time");
        const auto labels = train::batchLabels(*run.model, *batch);
        const auto address = train::batchAddress(*batch);
        const auto prefix = [&](const at::Tensor& images) { return run.session->prefix(images); };
        const auto input =
            train::prefixOutput(*run.model, *batch, run.session->frozenUnits(), at::kFloat, prefix, feed);
        const auto rates = ratesOf(fed.batches++);
        run.session->queueStep(input, labels, address, std::span(rates).last(run.session->groups()));
        run.session->takeResults(/*all=*/false);
      }
    }
    run.session->takeResults(/*all=*/true);
    run.session->throwPostponed();
    fed.values = run.values();
    fed.most = takenMemory().most;
  }
  train::setFeeding(at::kCPU, nullptr);
  const auto fault = firstFault();
  expect(fault.empty(), fault);
  expect(takenMemory().now == 0, "all memory of batches is given back");
  return fed;
}

/// What the stand-in says of a body of work.
std::string toldOf(const std::function<void(cuda::CopyStream&, data::HostMemory&)>& work) {
  firstFault();
  {
    const auto copies = cuda::makeCopyStream(at::kCPU);
    work(*copies, *cuda::pinnedMemory());
  }
  return firstFault();
}

}  // namespace

void fedByLoader() {
  for (const bool cached : {false, true}) {
    const auto expected = fed(/*bySlots=*/false, cached), got = fed(/*bySlots=*/true, cached);
    expect(got.batches == 8 && expected.batches == 8, "four batches an epoch");
    expect(same(got.values, expected.values), "by way of slots the weights are the same");
    expect(expected.most == 0, "memory of a device's is for devices");
    // Two that are decoded and one on its way; beside their images batches of a cache have features.
    const int slots = cached ? 6 : 3;
    expect(got.most > 0 && got.most <= slots,
           std::to_string(got.most) + " pieces of memory and not " + std::to_string(slots) + " at most");
  }
}

void earlyReuse() {
  constexpr std::size_t kBytes = 64;
  std::vector<std::uint8_t> place(kBytes);
  const auto fill = [&](cuda::CopyStream& copies, void* from) {
    copies.copy(place.data(), from, kBytes);
    auto there = copies.mark();
    there->holdBack(nullptr);
    return there;
  };
  const auto inOrder = toldOf([&](auto& copies, auto& memory) {
    for (int i = 0; i < 3; ++i) {
      auto* const from = static_cast<std::uint8_t*>(memory.take(kBytes));
      from[0] = static_cast<std::uint8_t>(i);
      copies.after(*cuda::markStream(at::kCPU));
      const auto there = fill(copies, from);
      expect(place[0] == i, "a copy that kernels wait for is made");
      expect(!there->passed(), "a mark has not passed at once");
      there->wait();
      memory.give(from, kBytes);
    }
  });
  expect(inOrder.empty(), inOrder);
  const auto noMark = toldOf([&](auto& copies, auto& memory) {
    auto* const from = memory.take(kBytes);
    copies.after(*cuda::markStream(at::kCPU));
    fill(copies, from)->wait();
    fill(copies, from)->wait();
    memory.give(from, kBytes);
  });
  expect(noMark == "a place is filled while kernels may read it", noMark);
  const auto early = toldOf([&](auto& copies, auto& memory) {
    auto* const from = memory.take(kBytes);
    copies.after(*cuda::markStream(at::kCPU));
    const auto there = fill(copies, from);
    memory.give(from, kBytes);
    there->wait();
  });
  expect(early == "a batch's memory is given back while it may be copied", early);
  const auto pageable = toldOf([&](auto& copies, auto&) {
    std::vector<std::uint8_t> own(kBytes);
    copies.after(*cuda::markStream(at::kCPU));
    fill(copies, own.data())->wait();
  });
  expect(pageable == "a copy from memory that is not pinned", pageable);
}

void outOfMemory() {
  const c10::SourceLocation here{__func__, __FILE__, __LINE__};
  const auto told = [](auto error) { return resnet_torch::describe(std::make_exception_ptr(error)); };
  const std::vector<resnet_torch::Failure> lacking = {
      told(c10::OutOfMemoryError(here, "CUDA out of memory. Tried to allocate 2.00 GiB.")),
      told(c10::AcceleratorError(here, 2, "CUDA error: out of memory")),
      told(c10::Error(here, "cuDNN error: CUDNN_STATUS_ALLOC_FAILED")),
      told(c10::Error(here, "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")),
      told(std::bad_alloc())};
  for (const auto& failure : lacking) {
    expect(failure.code == "ERR_OUT_OF_MEMORY", failure.code + ": " + failure.message);
    for (const char* way : {"--batch-size", "--precision", "--freeze-until"})
      expect(failure.message.find(way) != std::string::npos, failure.message);
    expect(failure.message.find("..") == std::string::npos, failure.message);
  }
  expect(lacking[1].message.starts_with("The device ran out of memory: CUDA error: out of memory. Use"),
         lacking[1].message);
  const auto other = told(c10::AcceleratorError(here, 700, "CUDA error: an illegal memory access was encountered"));
  expect(other.code == "ERR_INTERNAL", other.code);
  expect(told(resnet_torch::Error("ERR_BUSY", "so")).code == "ERR_BUSY", "an error of our own stays as it is");
}
