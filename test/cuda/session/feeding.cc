#include "feeding.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <new>

#include "core/failure.h"
#include "cuda/device_memory.h"
#include "cuda/feed.h"
#include "host_stream.h"
#include "runs.h"
#include "train/device_features.h"
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
  std::size_t onDevice = 0;  ///< entries of the cache
  data::FeatureCacheStats cache;
};

constexpr std::int64_t kEntry = kFeatures * sizeof(float);

/// Where a session's features are kept.
struct Caching {
  bool cached = false;
  std::string directory = "";                 ///< empty: in memory, which has place for some images alone
  std::vector<std::int64_t> freeMemory = {};  ///< answers of the device
};

/// Two epochs of a session on the device's path, with its slots or without.
Fed fed(bool bySlots, const Caching& caching) {
  static const auto files = pictures();
  computeOnDevice(true);
  train::setFeeding(at::kCPU, bySlots ? &cuda::kFeeding : nullptr);
  const resnet_torch::optim::Sgd sgd;
  Fed fed;
  {
    Run run(Plan{kHead, 530'000, "", sgd, {}});
    train::Feed feed(at::kCPU);
    std::shared_ptr<data::FeatureCache> cache;
    answerFreeMemory(caching.freeMemory);
    if (caching.cached) {
      data::FeatureCacheOptions options;
      options.entryBytes = kEntry;
      options.units = kHead;
      options.memoryLimit = 9 * options.entryBytes;  // of some images alone
      if (!caching.directory.empty()) {
        options.mode = data::FeatureCacheOptions::Mode::kDisk;
        options.directory = caching.directory;
        options.storeKey = "key";
      }
      cache = std::make_shared<data::FeatureCache>(options);
      cache->open();
    }
    takenMemory();
    for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
      data::LoaderOptions options;
      options.files = files;
      options.view.crop.kind = data::CropOptions::Kind::kRandom;
      options.view.crop.size = kSide;
      options.view.crop.flip = 0.5;
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
        const auto targets = train::batchTargets(*run.model, *batch);
        const auto address = train::batchAddress(*batch);
        const auto prefix = [&](const at::Tensor& images) { return run.session->prefix(images); };
        const auto input =
            train::prefixOutput(*run.model, *batch, run.session->frozenUnits(), at::kFloat, prefix, feed);
        const auto rates = ratesOf(fed.batches++);
        run.session->queueStep(input, targets, address, std::span(rates).last(run.session->groups()));
        run.session->takeResults(/*all=*/false);
      }
    }
    run.session->takeResults(/*all=*/true);
    run.session->throwPostponed();
    fed.values = run.values();
    fed.most = takenMemory().most;
    if (cache) {
      cache->close();
      fed.cache = cache->stats();
      if (cache->tier()) fed.onDevice = cache->tier()->entries();
    }
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
    const auto expected = fed(/*bySlots=*/false, {cached}), got = fed(/*bySlots=*/true, {cached});
    expect(got.batches == 8 && expected.batches == 8, "four batches an epoch");
    expect(same(got.values, expected.values), "by way of slots the weights are the same");
    expect(expected.most == 0, "memory of a device's is for devices");
    // Two that are decoded and one on its way; beside their images batches of a cache have features.
    const int slots = cached ? 6 : 3;
    expect(got.most > 0 && got.most <= slots,
           std::to_string(got.most) + " pieces of memory and not " + std::to_string(slots) + " at most");
  }
}

void featuresOnDevice() {
  const auto expected = fed(/*bySlots=*/false, {.cached = true});
  struct Case {
    std::vector<std::int64_t> freeMemory;
    std::size_t onDevice, entries;
  };
  // None; in pieces of three and four, after which it is full; all.
  for (const auto& [freeMemory, onDevice, entries] :
       {Case{{}, 0, 9}, Case{{3 * kEntry + 7, 4 * kEntry}, 7, 15}, Case{{INT64_C(1) << 40}, kPictures, kPictures}}) {
    const auto got = fed(/*bySlots=*/true, {.cached = true, .freeMemory = freeMemory});
    const auto of = " of " + std::to_string(onDevice);
    expect(same(got.values, expected.values), "features on the device train the same weights" + of);
    expect(got.onDevice == onDevice, std::to_string(got.onDevice) + " entries on the device and not" + of);
    expect(got.cache.entries >= entries, std::to_string(got.cache.entries) + " entries of the cache");
    expect(got.cache.hostBytes + got.onDevice * kEntry == got.cache.bytes, "each is in one place");
    expect(got.cache.served + got.cache.computed == 2 * kPictures, "each image is counted once an epoch");
  }
  auto folder = (std::filesystem::temp_directory_path() / "resnet-torch-features-XXXXXX").string();
  expect(mkdtemp(folder.data()) != nullptr, "a temporary folder");
  for (const bool again : {false, true}) {
    // On disk is everything, whatever the device has; what comes from the disk stays on the device, too.
    const auto got = fed(/*bySlots=*/true, {.cached = true, .directory = folder, .freeMemory = {INT64_C(1) << 40}});
    expect(same(got.values, expected.values), "features on disk and on the device train the same weights");
    expect(got.onDevice == kPictures, std::to_string(got.onDevice) + " of the disk's entries on the device");
    expect(got.cache.entries == kPictures, std::to_string(got.cache.entries) + " entries on disk");
    expect(got.cache.computed == (again ? 0 : kPictures), "what is on disk is not computed again");
  }
  std::filesystem::remove_all(folder);
}

void deviceFeatures() {
  const auto keys = [](std::vector<std::uint64_t> numbers) {
    std::vector<data::FeatureKey> keys;
    for (const auto number : numbers) keys.push_back({number, number});
    return keys;
  };
  const auto rows = [](std::vector<float> firsts) {
    auto values = at::zeros({static_cast<std::int64_t>(firsts.size()), 4});
    for (std::size_t i = 0; i < firsts.size(); ++i) values[static_cast<std::int64_t>(i)].fill_(firsts[i]);
    return values;
  };
  constexpr std::int64_t kRow = 4 * sizeof(float);
  // Two rows, then twice as many, of which three are to be had; then none.
  answerFreeMemory({100 * kRow, 3 * kRow + 1});
  train::DeviceFeatures tier(at::kCPU, cuda::deviceMemory, 4, at::kFloat, 2 * kRow);
  using Kept = std::vector<bool>;
  expect(tier.keep(keys({1, 2, 1, 3}), rows({1, 2, 9, 3})) == Kept(4, true), "a key that comes twice is one entry");
  expect(tier.entries() == 3, "three entries");
  expect(tier.keep(keys({2, 4, 5, 6, 7}), rows({9, 4, 5, 6, 7})) == Kept({true, true, true, false, false}),
         "what there is no room for is passed over");
  expect(tier.keep(keys({6, 1}), rows({6, 9})) == Kept({false, true}), "a full tier keeps what it has");
  std::vector<std::int32_t> found;
  for (const std::uint64_t number : {5, 1, 4, 2, 3, 5}) {
    const auto row = tier.find({number, number});
    expect(row.has_value(), "an entry that was kept is found");
    found.push_back(*row);
  }
  expect(!tier.find({6, 6}), "an entry that was not kept is not found");
  expect(at::equal(tier.gather(found), rows({5, 1, 4, 2, 3, 5})), "rows come in the order asked for");
  expect(at::equal(tier.gather(std::span(found).last(1)), rows({5})), "and of one piece");
  // A quarter of the device is left alone.
  train::DeviceFeatures modest(
      at::kCPU, [](at::Device) { return train::DeviceMemory{30 * kRow, 100 * kRow}; }, 4, at::kFloat);
  expect(modest.keep(keys({1, 2, 3, 4, 5}), rows({1, 2, 3, 4, 5})) == Kept(5, true), "five of thirty rows");
  train::DeviceFeatures none(
      at::kCPU, [](at::Device) { return train::DeviceMemory{25 * kRow, 100 * kRow}; }, 4, at::kFloat);
  expect(none.keep(keys({1}), rows({1})) == Kept(1, false), "the last quarter is not taken");
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
  firstFault();
  {
    cuda::SlotFeed feed(at::kCPU);
    const auto bytes = [](std::uint8_t value) {
      data::Buffer<std::uint8_t> buffer{data::Uninitialised<std::uint8_t>(cuda::pinnedMemory())};
      buffer.resize(kBytes);
      std::fill(buffer.begin(), buffer.end(), value);
      return buffer;
    };
    const auto first = [](const at::Tensor& values) { return values[0].clone(); };
    failNextMark();
    bool failed = false;
    try {
      feed.pass(bytes(1), first);
    } catch (const std::runtime_error&) {
      failed = true;
    }
    expect(failed, "a mark that fails is told of");
    expect(feed.pass(bytes(2), first).item<int>() == 2, "and the next batch comes");
    feed.arrive();
  }
  const auto unmarked = firstFault();
  expect(unmarked.empty(), unmarked);
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
