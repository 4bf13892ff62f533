#pragma once

#include "core/tensor.h"

#include "train/losses/loss.h"
#include "train/targets.h"

namespace resnet_torch::train {

/// What a step came to, before its weights moved.
struct StepResult {
  double loss = 0;
  std::int64_t correct = 0;  ///< images whose highest logit is their class's
};

/// What logits are held against their targets by: loss, gradient and what counts as right, for all that trains. A
/// device that has kernels of its own for it is given the settings.
class Objective {
 public:
  /// ERR_INVALID_ARGUMENT for settings that no loss takes, or weights for another number of classes.
  Objective(LossSettings settings, std::int64_t classes);

  const LossSettings& settings() const { return settings_; }

  struct Outcome {
    StepResult result;
    at::Tensor gradient;  ///< of the loss by the logits
  };
  /// A loss that is not finite is ERR_NON_FINITE.
  Outcome operator()(const at::Tensor& logits, const Targets& targets) const;
  /// Autograd finds the gradients, of whatever the logits were computed from.
  StepResult backward(const at::Tensor& logits, const Targets& targets) const;

  /// What evaluation adds up: cross-entropy without smoothing or weights, whatever training makes small, so that runs
  /// with different losses can be compared. The sum over the batch, where the logits lie.
  static at::Tensor evaluate(const at::Tensor& logits, const Targets& targets);

 private:
  LossSettings settings_;
  std::unique_ptr<Loss> loss_;
};

}  // namespace resnet_torch::train
