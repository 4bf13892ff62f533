#pragma once

#include "train/step.h"

namespace resnet_torch::train {

/// Steps that the host makes while the caller waits, by the suffix's written-out backward. A stage that finds what is
/// not finite throws ERR_NON_FINITE, before anything of the model has changed.
class CpuStep : public Stepper {
 public:
  explicit CpuStep(const StepParts& parts) : parts_(parts), suffix_(parts_) {}

  void plan(std::span<const double>) override {}
  StepResult gradients(const StepInputs& inputs, const TakeGradient& take) override;
  void apply(std::span<const double> rates) override;
  bool busy() const override { return false; }
  Results results(bool all) override;

 protected:
  /// Forward, loss and backward, which leave the gradients with the parameters.
  virtual StepResult backward(const StepInputs& inputs);
  virtual void requireFiniteGradients() const;
  void moveStatistics() override;

  const StepParts parts_;

 private:
  void begin(std::span<const double> rates) override;
  void launch(const StepInputs& inputs, const Work& work) override { work(inputs); }
  void forwardBackward(const StepInputs& inputs) override { result_ = backward(inputs); }
  void unscaleAndClip() override;
  void update() override { optimizerStep(rates_); }
  void end() override { results_.push_back(result_); }

  void clip() const;
  void optimizerStep(std::span<const double> rates);

  CurrentSuffix suffix_;
  std::span<const double> rates_;    ///< of the step at hand
  StepResult result_;                ///< likewise
  std::vector<StepResult> results_;  ///< that were not told of yet
};

}  // namespace resnet_torch::train
