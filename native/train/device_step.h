#pragma once

#include "train/captured_step.h"
#include "train/step.h"
#include "train/step_kernels.h"

namespace resnet_torch::train {

/// Steps that a device makes by itself while the host goes on; they may be recorded and replayed.
class DeviceStep final : public Stepper {
 public:
  /// Reserves the optimizer's memory.
  DeviceStep(const StepParts& parts, MakeStepKernels make);

  void plan(std::span<const double> rates) override { kernels_->plan(rates); }
  StepResult gradients(const StepInputs& inputs, const TakeGradient& take) override;
  void apply(std::span<const double> rates) override;
  bool busy() const override { return kernels_->busy(); }
  Results results(bool all) override;
  std::optional<std::string> takeRecordingFailure() override;
  at::Tensor scaler() const override { return kernels_->scaler(); }
  void setScaler(const at::Tensor& values) override { kernels_->setScaler(values); }

 private:
  void begin(std::span<const double> rates) override;
  void launch(const StepInputs& inputs, const Work& work) override;
  void forwardBackward(const StepInputs& inputs) override;
  void unscaleAndClip() override { kernels_->prepare(/*withLoss=*/true); }
  void update() override { kernels_->step(); }
  void moveStatistics() override { suffix_->updateRunning(kernels_->skip()); }
  void end() override { kernels_->end(/*withLoss=*/true); }

  void renewSuffix();

  const StepParts parts_;
  CurrentSuffix suffix_;
  std::unique_ptr<StepKernels> kernels_;
  std::unique_ptr<CapturedStep> captured_;  ///< null where steps are not recorded
};

}  // namespace resnet_torch::train
