#include "train/objective.h"

#include <cmath>

#include "core/errors.h"
#include "train/non_finite.h"

namespace resnet_torch::train {

namespace {

StepResult resultOf(double loss, const at::Tensor& logits, const Targets& targets) {
  if (!std::isfinite(loss)) throw notFiniteInTraining("The training loss");
  const at::NoGradGuard noGrad;
  return {loss, logits.argmax(1).eq(targets.indices).sum().item<std::int64_t>()};
}

void requireRange(const char* name, double value, bool fits, const char* range) {
  if (!fits)
    throw Error("ERR_INVALID_ARGUMENT",
                std::string("loss.") + name + " must be " + range + ", and is " + std::to_string(value));
}

}  // namespace

Objective::Objective(LossSettings settings, std::int64_t classes) : settings_(std::move(settings)) {
  const auto& [name, smoothing, gamma, weights] = settings_;
  requireRange("labelSmoothing", smoothing, smoothing >= 0 && smoothing <= 1, "from 0 to 1");
  requireRange("gamma", gamma, gamma >= 0 && std::isfinite(gamma), "0 or more");
  if (!weights.empty() && static_cast<std::int64_t>(weights.size()) != classes)
    throw Error("ERR_INVALID_ARGUMENT", "loss.classWeights has " + std::to_string(weights.size()) +
                                            " weights, and the model " + std::to_string(classes) + " classes");
  for (const double weight : weights)
    requireRange("classWeights", weight, weight > 0 && std::isfinite(weight), "above 0");
  loss_ = lossRow(name).make(settings_);
}

Objective::Outcome Objective::operator()(const at::Tensor& logits, const Targets& targets) const {
  auto [loss, gradient] = loss_->withGradient(logits, targets);
  return {resultOf(loss, logits, targets), std::move(gradient)};
}

StepResult Objective::backward(const at::Tensor& logits, const Targets& targets) const {
  const auto loss = loss_->differentiable(logits, targets);
  const auto result = resultOf(loss.item<double>(), logits.detach(), targets);
  loss.backward();
  return result;
}

at::Tensor Objective::evaluate(const at::Tensor& logits, const Targets& targets) {
  return at::cross_entropy_loss(logits, targets.indices, {}, at::Reduction::Sum);
}

}  // namespace resnet_torch::train
