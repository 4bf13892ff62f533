#include "launches.h"

#include <ATen/record_function.h>

#include <cstdio>
#include <set>

#include "../emulator/observer.h"
#include "cuda/fused_ops.h"
#include "model/compiled.h"
#include "runs.h"
#include "train/top_k.h"

namespace model = resnet_torch::model;

// Of a step on the device's path, the host's calls are what a GPU would be given: kernels of ours are counted as they
// are launched, and operations of ATen by what each of them launches on a CUDA device. A convolution is one call of
// cuDNN, and so is each of its gradients; cuDNN may make more than one kernel of it, as the engine that it chooses
// does.
namespace {

/// Uploads of a step: the bytes of its images, its labels, and the dropout mask of the hidden layer.
constexpr int kUploads = 3;

struct Count {
  std::map<std::string, int> operations;  ///< of ATen, those that launch something
  int own = 0;
  std::set<std::string> unknown;
  int depth = 0;  ///< of operations that were counted as a whole

  int of(const std::string& name) const {
    const auto found = operations.find(name);
    return found == operations.end() ? 0 : found->second;
  }
  int convolutions() const { return of("aten::conv2d") + of("aten::convolution_backward"); }
  int rest() const {
    int sum = 0;
    for (const auto& [name, count] : operations) sum += count;
    return sum - convolutions();
  }
  int total() const { return own + convolutions() + rest() + kUploads; }
};

Count* counted = nullptr;

/// Operations that launch nothing themselves: they make tensors, look at them in another way, or call others.
const std::set<std::string>& launchless() {
  static const std::set<std::string> names = {"aten::empty",       "aten::empty_like",   "aten::empty_strided",
                                              "aten::view",        "aten::as_strided",   "aten::expand",
                                              "aten::t",           "aten::transpose",    "aten::permute",
                                              "aten::select",      "aten::narrow",       "aten::slice",
                                              "aten::unsqueeze",   "aten::squeeze",      "aten::reshape",
                                              "aten::detach",      "aten::alias",        "aten::to",
                                              "aten::_to_copy",    "aten::contiguous",   "aten::clone",
                                              "aten::linear",      "aten::pin_memory",   "aten::is_pinned",
                                              "aten::flatten",     "aten::resolve_conj", "aten::resolve_neg",
                                              "aten::result_type", "aten::zeros",        "aten::ones",
                                              "aten::full",        "aten::relu_",        "aten::constant_pad_nd",
                                              "aten::detach_",     "aten::set_",         "aten::view_as",
                                              "aten::expand_as",   "aten::_unsafe_view", "aten::zeros_like",
                                              "aten::resize_"};
  return names;
}

/// Operations that launch once; what they call in turn on the CPU counts no more.
const std::set<std::string>& single() {
  static const std::set<std::string> names = {"aten::conv2d", "aten::copy_",      "aten::fill_", "aten::zero_",
                                              "aten::mul",    "aten::mul_",       "aten::div",   "aten::add",
                                              "aten::add_",   "aten::addmm",      "aten::mm",    "aten::sum",
                                              "aten::mean",   "aten::clamp_min_", "aten::gt"};
  return names;
}

struct Inside : at::ObserverContext {};

int gradientsOf(const at::RecordFunction& function) {
  const auto mask = function.inputs().back().toBoolList();
  int count = 0;
  for (const bool asked : mask) count += asked ? 1 : 0;
  return count;
}

std::unique_ptr<at::ObserverContext> begins(const at::RecordFunction& function) {
  if (!counted || counted->depth > 0) return nullptr;
  const std::string name = function.name();
  // A processor with avx512_bf16 has a kernel of its own for what a device asks of convolution_backward.
  const bool ownGradient = name == "resnet_torch::weightGradient";
  if (launchless().contains(name) || !(ownGradient || name.starts_with("aten::"))) return nullptr;
  if (ownGradient) {
    ++counted->operations["aten::convolution_backward"];
  } else if (name == "aten::convolution_backward") {
    counted->operations[name] += gradientsOf(function);
  } else if (single().contains(name)) {
    ++counted->operations[name];
  } else {
    counted->unknown.insert(name);
  }
  ++counted->depth;
  return std::make_unique<Inside>();
}

void ends(const at::RecordFunction&, at::ObserverContext* inside) {
  if (counted && inside) --counted->depth;
}

Count launchesOf(const std::function<void()>& work) {
  Count count;
  const auto handle = at::addGlobalCallback(
      at::RecordFunctionCallback(begins, ends).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  counted = &count;
  emulator::observer() = [&](const std::string&) { ++count.own; };
  work();
  counted = nullptr;
  emulator::observer() = nullptr;
  at::removeCallback(handle);
  return count;
}

std::string told(const Count& count) {
  std::string text = std::to_string(count.own) + " of our kernels, " + std::to_string(count.convolutions()) +
                     " convolutions and their gradients, " + std::to_string(kUploads) + " uploads, " +
                     std::to_string(count.rest()) + " others:";
  for (const auto& [name, number] : count.operations) text += " " + name + " " + std::to_string(number);
  return text;
}

/// The second step of a session in bfloat16 of everything, with a hidden layer in the head and Adam.
Count countedStep(const char* batchStatistics) {
  computeOnDevice(true);
  // oneDNN's fused operators are of processors alone, and not of all.
  at::globalContext().setUserEnabledMkldnn(false);
  Plan plan{0, std::int64_t{1} << 40, batchStatistics, {}, {}};
  plan.compute = at::kBFloat16;
  Run run(plan);
  run.imageSize = 32;
  // What kernels compute does not matter, and there are 23 million weights.
  emulator::idle() = true;
  run.queue(0, 1, 2);
  auto count = launchesOf([&] { run.queue(1, 1, 2); });
  emulator::idle() = false;
  at::globalContext().setUserEnabledMkldnn(true);
  std::string unknown;
  for (const auto& name : count.unknown) unknown += " " + name;
  expect(unknown.empty(), "it is not written down what these launch:" + unknown);
  std::printf("%d launches: %s\n", count.total(), told(count).c_str());
  return count;
}

}  // namespace

void stepLaunches() {
  const auto count = countedStep("");
  expect(count.total() <= 400, std::to_string(count.total()) + " launches: " + told(count));
  // 53 forward, as many for the gradients of weights, and one less for those of inputs: nobody asks for an image's.
  expect(count.convolutions() == 53 + 53 + 52, told(count));
  const int images = 1, statistics = 53, sweeps = 48 + 1, loss = 2;
  // Of 16 additions and 4 shortcuts, 32 BatchNorms with ReLU in two launches each, the stem with pooling in two.
  const int backward = 16 + 16 + 4 + 2 * 32 + 2, copies = 1;
  const int optimizer = 4;  // norm, decision, running statistics, step
  expect(count.own == images + statistics + sweeps + loss + backward + copies + optimizer, told(count));

  // With BatchNorm in evaluation mode, each is folded in one launch and its gradients come back in one.
  const auto evaluated = countedStep("none");
  const int pools = 2, sums = 16 + 32, additions = 12;
  expect(evaluated.own == images + 53 + pools + additions + loss + sums + 53 + optimizer - 1, told(evaluated));
}

namespace {

int withBias = 0, without = 0;

std::unique_ptr<at::ObserverContext> looksAtBias(const at::RecordFunction& function) {
  const std::string name = function.name();
  if (name != "aten::conv2d" && name != "mkldnn::_convolution_pointwise" && name != "mkldnn::_convolution_pointwise_")
    return nullptr;
  // The addition in place has the sum before its input.
  const std::size_t bias = name.ends_with("_pointwise_") ? 3 : 2;
  const auto& value = function.inputs()[bias];
  const bool given = value.isTensor() && value.toTensor().defined();
  ++(given ? withBias : without);
  return nullptr;
}

}  // namespace

void plainConvolutions() {
  at::Tensor features[2];
  const auto handle = at::addGlobalCallback(
      at::RecordFunctionCallback(looksAtBias).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  const auto images = at::randn({2, 3, 64, 64}, at::make_generator<at::CPUGeneratorImpl>(7), at::kFloat);
  for (const bool device : {false, true}) {
    computeOnDevice(device);
    Network network(model::architecture("resnet50"), {5, {}, 0}, at::kFloat, at::kCPU, 1);
    network.initialise();
    {
      // Of a network that was trained, BatchNorms are all different.
      const at::NoGradGuard noGrad;
      auto random = at::make_generator<at::CPUGeneratorImpl>(3);
      for (const auto& entry : network.tensors()) {
        auto values = entry.tensor.detach();
        if (entry.name.ends_with("running_var") || (values.dim() == 1 && entry.name.ends_with(".weight")))
          values.uniform_(0.5, 1.5, random);
        else if (values.dim() == 1)
          values.normal_(0, 0.3, random);
      }
    }
    const at::NoGradGuard noGrad;
    withBias = without = 0;
    features[device ? 1 : 0] = model::compiledFeatures(network, images, at::kFloat);
    const int plain = device ? 1 + 4 : 0;
    expect(without == plain && withBias == 53 - plain,
           std::to_string(without) + " convolutions without a bias, and " + std::to_string(withBias) + " with one");
    const auto eager = network.features(images, {});
    const double apart = (features[device ? 1 : 0] - eager).norm().item<double>() / eager.norm().item<double>();
    std::printf("compiled and eager are apart by %.2g\n", apart);
    expect(apart < 1e-5, "compiled and eager are apart by " + std::to_string(apart));
  }
  at::removeCallback(handle);
}
