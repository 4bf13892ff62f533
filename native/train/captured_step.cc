#include "train/captured_step.h"

namespace resnet_torch::train {

void CapturedStep::run(const StepInputs& inputs, std::uint64_t network) {
  Shape shape{network, inputs.input.scalar_type(), inputs.input.sizes().vec()};
  if (recorded_ == shape) {
    fill(inputs);
    recorder_->replay();
    inARow_ = 0;
    return;
  }
  inARow_ = shape == last_ ? inARow_ + 1 : 1;
  last_ = shape;
  if (inARow_ <= kRehearsals) {
    recorder_->rehearse([&] { work_(inputs); });
    return;
  }
  recorded_.reset();
  hold(inputs);
  recorder_->record([this] { work_(held_); });
  recorded_ = std::move(shape);
  recorder_->replay();
  inARow_ = 0;
}

void CapturedStep::hold(const StepInputs& inputs) {
  held_ = {inputs.input.clone(), inputs.labels.clone(), {}};
  for (const auto& mask : inputs.dropoutMasks) held_.dropoutMasks.push_back(mask.clone());
}

void CapturedStep::fill(const StepInputs& inputs) {
  held_.input.copy_(inputs.input);
  held_.labels.copy_(inputs.labels);
  for (std::size_t i = 0; i < held_.dropoutMasks.size(); ++i) held_.dropoutMasks[i].copy_(inputs.dropoutMasks[i]);
}

}  // namespace resnet_torch::train
