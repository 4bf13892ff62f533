#include "device_start.h"

#include <ATen/Context.h>

#include <condition_variable>
#include <mutex>

#include "core/executor.h"
#include "cuda/launch.h"
#include "runs.h"
#include "train/cudnn_benchmark.h"

namespace cuda = resnet_torch::cuda;
namespace model = resnet_torch::model;
namespace train = resnet_torch::train;
using resnet_torch::Error;
using resnet_torch::Executor;
using resnet_torch::Job;
using resnet_torch::Priority;

namespace {

/// What happened on other threads, which may be waited for.
class Story {
 public:
  void tell(const std::string& what) {
    std::lock_guard lock(mutex_);
    told_.push_back(what);
    changed_.notify_all();
  }
  void await(std::size_t entries) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return told_.size() >= entries; });
  }
  std::vector<std::string> told() {
    std::lock_guard lock(mutex_);
    return told_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> told_;
};

class ToldJob final : public Job {
 public:
  ToldJob(Story& story, std::string name, std::function<void()> work = {})
      : Job(std::make_shared<resnet_torch::CancelFlag>()),
        story_(story),
        name_(std::move(name)),
        work_(std::move(work)) {}
  Progress advance() override {
    if (work_) work_();
    return Progress::kDone;
  }
  void finish() override { story_.tell(name_); }
  void fail(std::exception_ptr) override { story_.tell(name_ + " failed"); }

 private:
  Story& story_;
  std::string name_;
  std::function<void()> work_;
};

/// The error that a launch ends with, and how often it was tried.
struct Launched {
  std::string code;
  int attempts = 0, releases = 0;
};
int releases = 0;

Launched launched(std::vector<int> answers, bool releasing) {
  Launched result;
  releases = 0;
  cuda::releaseForLaunch.store(releasing ? +[] { ++releases; } : nullptr);
  try {
    cuda::launchOrThrow([&] { return answers.at(static_cast<std::size_t>(result.attempts++)); },
                        [](int error) { return error == 2 ? "out of memory" : "invalid device function"; });
  } catch (const Error& error) {
    result.code = error.code();
  }
  cuda::releaseForLaunch.store(nullptr);
  result.releases = releases;
  return result;
}

void expectLaunched(const Launched& got, const std::string& code, int attempts, int released, const char* what) {
  expect(got.code == code && got.attempts == attempts && got.releases == released,
         std::string(what) + ": " + got.code + " after " + std::to_string(got.attempts) + " attempts");
}

}  // namespace

void idleDevice() {
  static Story story;
  static std::atomic<int> refusals{1};
  Executor::setHooks({[](const std::string& device, int) {
                        if (refusals-- > 0) throw Error("ERR_OUT_OF_MEMORY", "no context");
                        story.tell("begin " + device);
                      },
                      [](const std::string& device) {
                        story.tell("idle " + device + " beside " + std::to_string(Executor::devicesAtWork()));
                        throw Wrong("memory that cannot be given back");
                      }});
  auto& first = Executor::forDevice("cuda:0");
  auto& second = Executor::forDevice("cuda:1");
  first.submit(std::make_shared<ToldJob>(story, "a"), Priority::kControl);
  story.await(1);
  first.submit(std::make_shared<ToldJob>(story, "b"), Priority::kControl);
  story.await(4);
  // The second device works until the first has come to rest.
  std::mutex mutex;
  std::unique_lock working(mutex);
  second.submit(std::make_shared<ToldJob>(story, "c", [&] { std::lock_guard until(mutex); }), Priority::kControl);
  story.await(5);
  first.submit(std::make_shared<ToldJob>(story, "d"), Priority::kControl);
  story.await(7);
  working.unlock();
  story.await(9);
  const std::vector<std::string> expected = {
      "a failed", "begin cuda:0",         "b", "idle cuda:0 beside 0", "begin cuda:1",
      "d",        "idle cuda:0 beside 1", "c", "idle cuda:1 beside 0"};
  std::string text;
  for (const auto& entry : story.told()) text += entry + "; ";
  expect(story.told() == expected, text);
  Executor::stopAll();
}

void allocatedLater() {
  const auto& member = model::architecture("resnet50");
  const model::HeadShape head{5, {16}, 0};
  // This libtorch knows no CUDA: whatever asked for a device would fail.
  Network elsewhere(member, head, at::kFloat, at::Device(at::kCUDA, 1), 1, model::Allocation::kAtFirstUse);
  expect(elsewhere.find("conv1.weight").tensor.device() == at::Device(at::kCUDA, 1), "a tensor knows its device");
  bool refused = false;
  try {
    elsewhere.allocate();
  } catch (const std::exception&) {
    refused = true;
  }
  expect(refused, "the device is asked for with the memory");

  Network now(member, head, at::kFloat, at::kCPU, 1),
      later(member, head, at::kFloat, at::kCPU, 1, model::Allocation::kAtFirstUse);
  expect(later.bytes() == now.bytes(), "sizes are known before");
  const auto held = later.block(1).layers[1].convolution.weight;  // as whoever asks before it has memory
  expect(!held.storage().data(), "a model has no memory at first");
  now.initialise();
  later.initialise();
  for (std::size_t i = 0; i < now.tensors().size(); ++i) {
    const auto &expected = now.tensors()[i].tensor, &got = later.tensors()[i].tensor;
    expect(got.equal(expected) && got.strides() == expected.strides() && got.scalar_type() == expected.scalar_type(),
           now.tensors()[i].name + " begins as ever");
  }
  expect(held.equal(now.block(1).layers[1].convolution.weight), "handles that were taken before have the memory too");
  const auto place = held.const_data_ptr();
  later.allocate();
  expect(held.const_data_ptr() == place, "memory is taken once");
}

void kernelWithoutMemory() {
  expectLaunched(launched({0}, true), "", 1, 0, "a kernel that is launched");
  expectLaunched(launched({2, 0}, true), "", 2, 1, "memory that was only kept");
  expectLaunched(launched({2, 2}, true), "ERR_OUT_OF_MEMORY", 2, 1, "no memory");
  expectLaunched(launched({2}, false), "ERR_OUT_OF_MEMORY", 1, 0, "no memory, and nobody who keeps any");
  expectLaunched(launched({98}, true), "ERR_INTERNAL", 1, 0, "another failure");
  expectLaunched(launched({2, 98}, true), "ERR_INTERNAL", 2, 1, "another failure in the second attempt");
}

void searchOfTwo() {
  const auto searches = [] { return at::globalContext().benchmarkCuDNN(); };
  auto first = std::make_unique<train::CudnnBenchmark>(true);
  expect(searches(), "one that searches");
  auto second = std::make_unique<train::CudnnBenchmark>(true);
  const train::CudnnBenchmark third(false);
  first.reset();
  expect(searches(), "the end of one is not the end of another, which is not over");
  second.reset();
  expect(!searches(), "one that does not search leaves nothing behind");
}
