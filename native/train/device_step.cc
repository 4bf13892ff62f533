#include "train/device_step.h"

#include <algorithm>
#include <cmath>

#include "train/cudnn_benchmark.h"
#include "train/non_finite.h"
#include "train/session_options.h"

namespace resnet_torch::train {

DeviceStep::DeviceStep(const StepParts& parts, MakeStepKernels make) : parts_(parts), suffix_(parts_) {
  parts_.optimizer.reserve();
  kernels_ = make(parts_.optimizer, {parts_.objective.settings(), parts_.options.lossScale, parts_.options.clipNorm});
}

void DeviceStep::renewSuffix() {
  if (suffix_.renew()) kernels_->keepCopies(suffix_->keepCopies());
}

void DeviceStep::begin(std::span<const double> rates) {
  const at::NoGradGuard noGrad;
  parts_.optimizer.attachGradients();
  renewSuffix();
  kernels_->begin(rates);
}

void DeviceStep::launch(const StepInputs& inputs, const Work& work) {
  const at::NoGradGuard noGrad;
  // cuDNN searches anew for every shape, so only where the shape is that of most batches.
  const auto searched = parts_.options.searchedBatch;
  const CudnnBenchmark search(searched > 0 && inputs.input.size(0) == searched);
  if (!parts_.options.cudaGraph) return work(inputs);
  if (!captured_) captured_ = std::make_unique<CapturedStep>(kernels_->recorder(), work);
  captured_->run(inputs, suffix_.loads());
}

void DeviceStep::forwardBackward(const StepInputs& inputs) {
  suffix_->backward(kernels_->loss(suffix_->forward(inputs.input, inputs.dropoutMasks), inputs.targets));
}

StepResult DeviceStep::gradients(const StepInputs& inputs, const TakeGradient& take) {
  const at::NoGradGuard noGrad;
  parts_.optimizer.attachGradients();
  renewSuffix();
  const auto logits = suffix_->forward(inputs.input, inputs.dropoutMasks);
  const auto [result, gradient] = kernels_->lossAlone(logits, inputs.targets);
  if (!std::isfinite(result.loss)) throw notFiniteInTraining("The training loss");
  suffix_->updateRunning({});
  suffix_->backward(gradient);
  for (const auto& group : parts_.optimizer.groups())
    for (const auto& parameter : group.parameters)
      if (parameter.tensor.grad().defined()) take(parameter.name, parameter.tensor.grad());
  return result;
}

void DeviceStep::apply(std::span<const double> rates) {
  const at::NoGradGuard noGrad;
  auto& optimizer = parts_.optimizer;
  for (const auto& group : optimizer.groups())
    for (const auto& parameter : group.parameters)
      if (parameter.tensor.grad().defined()) parameter.tensor.grad().mul_(kernels_->scale());
  kernels_->rebind();
  kernels_->begin(rates);
  kernels_->prepare(/*withLoss=*/false);
  kernels_->step();
  kernels_->end(/*withLoss=*/false);
  const bool skipped = kernels_->finished(/*all=*/true).skipped > 0;
  optimizer.attachGradients();
  kernels_->rebind();
  if (skipped) throw notFiniteInTraining("A gradient");
}

Stepper::Results DeviceStep::results(bool all) {
  auto [steps, skipped] = kernels_->finished(all);
  Results results{std::move(steps), skipped, nullptr};
  const auto lost = std::find_if(results.steps.begin(), results.steps.end(),
                                 [](const StepResult& result) { return !std::isfinite(result.loss); });
  if (lost != results.steps.end()) {
    results.failure = std::make_exception_ptr(notFiniteInTraining("The training loss"));
    results.steps.erase(lost, results.steps.end());
  } else if (skipped > 0 && !parts_.options.lossScale.mayOverflow) {
    results.failure = std::make_exception_ptr(notFiniteInTraining("A gradient"));
  }
  return results;
}

std::optional<std::string> DeviceStep::takeRecordingFailure() {
  return captured_ ? captured_->takeFailure() : std::nullopt;
}

}  // namespace resnet_torch::train
