#include "train/cpu_step.h"

#include <utility>

#include "train/clipping.h"
#include "train/non_finite.h"
#include "train/session_options.h"

namespace resnet_torch::train {

StepResult CpuStep::backward(const StepInputs& inputs) {
  const at::NoGradGuard noGrad;
  suffix_.renew();
  const auto logits = suffix_->forward(inputs.input, inputs.dropoutMasks);
  if (const auto norm = suffix_->normNotFinite(); !norm.empty())
    throw notFiniteInTraining("What " + norm + " is given");
  const auto [result, gradient] = parts_.objective(logits, inputs.targets);
  suffix_->backward(gradient);
  return result;
}

void CpuStep::requireFiniteGradients() const {
  if (!suffix_->finite()) throw notFiniteInTraining("A gradient");
}

void CpuStep::moveStatistics() {
  suffix_->updateRunning({});
}

void CpuStep::begin(std::span<const double> rates) {
  parts_.optimizer.clearGradients();
  rates_ = rates;
}

void CpuStep::unscaleAndClip() {
  requireFiniteGradients();
  clip();
}

void CpuStep::clip() const {
  if (parts_.options.clipNorm > 0) clipGradientNorm(parts_.optimizer.groups(), parts_.options.clipNorm);
}

void CpuStep::optimizerStep(std::span<const double> rates) {
  parts_.optimizer.step(rates);
  parts_.optimizer.clearGradients();
}

StepResult CpuStep::gradients(const StepInputs& inputs, const TakeGradient& take) {
  auto& optimizer = parts_.optimizer;
  optimizer.clearGradients();
  const auto result = backward(inputs);
  moveStatistics();
  for (const auto& group : optimizer.groups())
    for (const auto& parameter : group.parameters)
      if (parameter.tensor.grad().defined()) take(parameter.name, parameter.tensor.grad());
  optimizer.clearGradients();
  return result;
}

void CpuStep::apply(std::span<const double> rates) {
  clip();
  optimizerStep(rates);
}

Stepper::Results CpuStep::results(bool) {
  return {std::exchange(results_, {}), 0, nullptr};
}

}  // namespace resnet_torch::train
