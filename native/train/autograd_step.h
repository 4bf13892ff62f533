#pragma once

#include "train/cpu_step.h"

namespace resnet_torch::train {

/// Steps by autograd over the whole network, on any device: what the others are held against.
class AutogradStep final : public CpuStep {
 public:
  explicit AutogradStep(const StepParts& parts) : CpuStep(parts) {}

 protected:
  StepResult backward(const StepInputs& inputs) override;
  void requireFiniteGradients() const override;
  void moveStatistics() override;

 private:
  struct Buffer {
    at::Tensor tensor, moved;
  };
  std::vector<Buffer> statistics_;  ///< as the last forward pass would have them
};

}  // namespace resnet_torch::train
