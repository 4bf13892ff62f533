#include "inference.h"

#include <ATen/record_function.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <set>

#include "core/executor.h"
#include "runs.h"
#include "train/evaluate.h"
#include "train/predictor.h"

namespace data = resnet_torch::data;
namespace model = resnet_torch::model;
namespace train = resnet_torch::train;
using resnet_torch::Executor;

namespace {

constexpr int kSide = 32, kMost = 6;

std::shared_ptr<Network> network() {
  const auto made = std::make_shared<Network>(model::architecture("resnet50"), model::HeadShape{5, {}, 0},
                                               at::kFloat, at::kCPU, 1);
  made->initialise();
  return made;
}

/// Sizes of the batches that the first convolution was given.
std::mutex sizesMutex;
std::vector<std::int64_t> sizes;

std::unique_ptr<at::ObserverContext> sizeBegins(const at::RecordFunction& function) {
  const std::string name = function.name();
  if (name != "aten::conv2d" && name != "mkldnn::_convolution_pointwise") return nullptr;
  const auto& input = function.inputs()[0].toTensor();
  if (input.size(1) > 4) return nullptr;
  const std::lock_guard lock(sizesMutex);
  sizes.push_back(input.size(0));
  return nullptr;
}

std::vector<std::int64_t> takenSizes() {
  const std::lock_guard lock(sizesMutex);
  return std::exchange(sizes, {});
}

/// Work for the executor's thread, and whether it is done.
class Wait final : public resnet_torch::Job {
 public:
  Wait() : Job(std::make_shared<resnet_torch::CancelFlag>()) {}
  Progress advance() override { return Progress::kDone; }
  void finish() override { end(); }
  void fail(std::exception_ptr) override { end(); }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_; });
  }

 private:
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
};

struct Answers {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<int, train::Prediction> predictions;
  std::string fault;
};

/// Predictions of so many pictures at once.
std::map<int, train::Prediction> predicted(train::Predictor& predictor, int count) {
  Answers answers;
  for (int i = 0; i < count; ++i) {
    train::Predictor::Request request;
    request.name = "picture " + std::to_string(i);
    request.raw = {kSide, kSide, 3};
    for (int value = 0; value < kSide * kSide * 3; ++value)
      request.bytes.push_back(static_cast<std::uint8_t>((value * (i + 3)) % 251));
    request.topK = 5;
    request.features = true;
    request.cancel = std::make_shared<resnet_torch::CancelFlag>();
    request.done = [&answers, i](train::Prediction prediction, std::exception_ptr error) {
      const std::lock_guard lock(answers.mutex);
      if (error) answers.fault = "a prediction failed";
      answers.predictions[i] = std::move(prediction);
      answers.changed.notify_all();
    };
    predictor.submit(std::move(request));
  }
  std::unique_lock lock(answers.mutex);
  answers.changed.wait(lock, [&] { return static_cast<int>(answers.predictions.size()) == count; });
  expect(answers.fault.empty(), answers.fault);
  return answers.predictions;
}

train::PredictorOptions options() {
  train::PredictorOptions options;
  options.crop.size = kSide;
  options.crop.resize = kSide;
  options.maxBatch = kMost;
  options.maxDelay = std::chrono::seconds(60);
  return options;
}

}  // namespace

void paddedPredictions() {
  for (std::int64_t most : {1, 6, 8, 32})
    for (std::int64_t count = 1; count <= most; ++count) {
      const auto padded = train::paddedBatch(count, most);
      expect(padded >= count && padded <= most, "a batch is made up, and not beyond the largest");
      expect(padded == most || (padded & (padded - 1)) == 0, "to a power of two");
      expect(padded == most || padded < 2 * count, "to the next one");
    }
  auto& executor = Executor::forDevice("cpu");
  const auto handle = at::addGlobalCallback(
      at::RecordFunctionCallback(sizeBegins).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  std::map<int, train::Prediction> one[2];
  for (const bool device : {false, true}) {
    computeOnDevice(device);
    takenSizes();
    train::Predictor predictor(network(), options(), executor);
    // Jobs of a priority take turns: behind so many of ours there were as many of the predictor's.
    for (int turn = 0; turn < 20; ++turn) {
      const auto wait = std::make_shared<Wait>();
      executor.submit(wait, resnet_torch::Priority::kControl);
      wait->wait();
    }
    const auto warm = takenSizes();
    const std::vector<std::int64_t> all = {1, 2, 4, 6};
    expect(warm == (device ? all : std::vector<std::int64_t>{}),
           "plans are made when the predictor is, for a device");
    one[device ? 1 : 0] = predicted(predictor, kMost);
    const auto whole = takenSizes();
    expect(whole == std::vector<std::int64_t>{kMost}, "a whole batch goes as it is");
    predictor.stop();
    predictor.join(std::chrono::seconds(60));

    // One that does not wait for others is of three images at once only by chance: each size is one of those.
    auto eager = options();
    eager.maxDelay = std::chrono::microseconds(0);
    train::Predictor quick(network(), eager, executor);
    const auto few = predicted(quick, 3);
    for (const auto size : takenSizes())
      expect(!device || std::find(all.begin(), all.end(), size) != all.end(), "a size that was made ready");
    for (const auto& [picture, prediction] : few) {
      const auto& expected = one[0].at(picture);
      expect(prediction.features.size() == 2048 && prediction.classes == expected.classes,
             "the classes of a picture");
      for (std::size_t i = 0; i < 2048; ++i)
        expect(
            std::abs(prediction.features[i] - expected.features[i]) <= 1e-4F * (1 + std::abs(expected.features[i])),
            "the features of a picture, whatever stands beside it");
    }
    quick.stop();
    quick.join(std::chrono::seconds(60));
  }
  Executor::stopAll();
  at::removeCallback(handle);
  expect(one[1].at(2).classes == one[0].at(2).classes, "the classes of a picture, on a device and on the CPU");
}

namespace {

int hostReads = 0;

std::unique_ptr<at::ObserverContext> readBegins(const at::RecordFunction& function) {
  const std::string name = function.name();
  for (const char* reads : {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::equal"})
    if (name == reads) ++hostReads;
  return nullptr;
}

data::Batch batchOf(int number, int images) {
  data::Batch batch;
  batch.count = images;
  batch.size = kSide;
  batch.images.resize(static_cast<std::size_t>(images) * kSide * kSide * 3);
  for (std::size_t i = 0; i < batch.images.size(); ++i)
    batch.images[i] = static_cast<std::uint8_t>((i * static_cast<std::size_t>(number + 7)) % 253);
  for (int i = 0; i < images; ++i) {
    batch.targets.indices.push_back((number + i) % 5);
    batch.indices.push_back(10 * number + i);
  }
  return batch;
}

}  // namespace

void evaluationInOneRead() {
  const auto net = network();
  const auto handle =
      at::addGlobalCallback(at::RecordFunctionCallback(readBegins).scopes({at::RecordScope::FUNCTION}));
  train::Evaluation sums[2];
  for (const bool device : {false, true}) {
    computeOnDevice(device);
    net->setChanged(0);
    train::Feed feed(at::kCPU, 3);
    auto& into = sums[device ? 1 : 0];
    into.keepsProbabilities = true;
    for (int number = 0; number < 3; ++number) {
      // What compiling waits for is behind the first.
      if (number == 1) hostReads = 0;
      auto batch = batchOf(number, number == 2 ? 3 : 4);
      train::evaluateBatch(*net, batch, at::kFloat, feed, into);
    }
    expect((hostReads == 0) == device, std::to_string(hostReads) + " values were read by the host");
    expect((into.images == 0) == device, "sums of a device are read in the end");
    train::finishEvaluation(*net, into);
    expect(into.images == 11 && into.predictions.size() == 11, "every image is counted once");
    expect(into.unread.sums.empty(), "nothing is left");
  }
  at::removeCallback(handle);
  expect(sums[1].predictions == sums[0].predictions && sums[1].top1 == sums[0].top1 && sums[1].top5 == sums[0].top5,
         "predictions and counts");
  expect(sums[0].probabilities.size() == 11 * 5 && sums[1].probabilities.size() == 11 * 5, "probabilities of all");
  for (std::size_t i = 0; i < sums[0].probabilities.size(); ++i)
    expect(std::abs(sums[1].probabilities[i] - sums[0].probabilities[i]) < 1e-5f, "probabilities");
  expect(sums[0].top5 == 11 && sums[0].top1 < 11, "the counts of five classes");
  expect(std::abs(sums[1].lossSum - sums[0].lossSum) < 1e-5 * sums[0].lossSum, "the sum of losses");
}

void evaluationNotFinite() {
  computeOnDevice(true);
  const auto told = [](Network& net, const std::function<void(int, data::Batch&)>& change) {
    train::Feed feed(at::kCPU, 3);
    train::Evaluation into;
    for (int number = 0; number < 4; ++number) {
      auto batch = batchOf(number, 3);
      change(number, batch);
      train::evaluateBatch(net, batch, at::kFloat, feed, into);
    }
    try {
      train::finishEvaluation(net, into);
    } catch (const resnet_torch::Error& error) {
      expect(std::string(error.code()) == "ERR_NON_FINITE", error.what());
      return std::string(error.what());
    }
    throw Wrong("what is not finite is an error");
  };
  const auto expectTold = [](const std::string& got, const char* image) {
    expect(got.find(image) != std::string::npos, got);
  };
  // A weight so large that white images overflow, and dark ones do not.
  const auto net = network();
  const at::NoGradGuard noGrad;
  auto bias = net->find("fc.bias").tensor.detach();
  auto weight = net->find("fc.weight").tensor.detach();
  bias.fill_(0);
  // Behind the features: logits of this image alone are infinite.
  const auto brighten = [](int number, data::Batch& batch) {
    std::fill(batch.images.begin(), batch.images.end(), std::uint8_t{124});
    if (number != 2) return;
    const auto each = batch.images.size() / 3;
    for (std::size_t i = each; i < 2 * each; ++i) batch.images[i] = static_cast<std::uint8_t>(i % 2 == 0 ? 255 : 0);
  };
  double dim = 0, bright = 0;
  {
    train::Feed feed(at::kCPU, 3);
    auto batch = batchOf(2, 3);
    brighten(2, batch);
    const auto images = feed.images(batch, at::kFloat);
    const auto features = net->features(images, {});
    dim = features[0].abs().max().item<double>();
    bright = features[1].abs().max().item<double>();
  }
  expect(bright > 4 * dim, "a bright image has larger features: " + std::to_string(bright / dim));
  weight.fill_(0);
  // The product of the largest feature overflows, and that of a dim image's does not.
  const double scale = 3.4e38 / (2 * dim);
  {
    train::Feed feed(at::kCPU, 3);
    auto batch = batchOf(2, 3);
    brighten(2, batch);
    const auto features = net->features(feed.images(batch, at::kFloat), {});
    const auto place = features[1].argmax().item<std::int64_t>();
    expect(features[1][place].item<double>() * scale > 3.5e38, "the product overflows");
    weight.select(1, place).fill_(scale);
  }
  net->setChanged(17);
  expectTold(told(*net, brighten), "image 21");
  // Finite logits, and a loss that is not.
  weight.fill_(0);
  bias.fill_(0);
  bias.select(0, 0).fill_(3e38);
  bias.select(0, 1).fill_(-3e38);
  expectTold(told(*net,
                  [](int number, data::Batch& batch) {
                    std::fill(batch.targets.indices.begin(), batch.targets.indices.end(), number >= 1 ? 1 : 0);
                  }),
             "begins with image 10");
}
