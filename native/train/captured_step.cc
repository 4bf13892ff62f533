#include "train/captured_step.h"

#include "core/errors.h"
#include "core/failure.h"

namespace resnet_torch::train {

void CapturedStep::run(const StepInputs& inputs, std::uint64_t network) {
  if (!recorder_) return work_(inputs);
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
  if (!recordAndReplay(inputs)) return work_(inputs);
  recorded_ = std::move(shape);
  inARow_ = 0;
}

bool CapturedStep::recordAndReplay(const StepInputs& inputs) {
  try {
    copy(inputs);
    recorder_->record([this] { work_(inputs_); });
    // What is recorded is brought to the device with its first replay, which may be what there is no memory for.
    recorder_->replay();
    return true;
  } catch (...) {
    auto [code, message] = describe(std::current_exception());
    if (code == abortedError().code()) throw;
    failure_ = std::move(message);
  }
  // Before the plain step, which can do with the memory. Where the device itself has failed, that step tells of it.
  recorder_.reset();
  inputs_ = {};
  return false;
}

void CapturedStep::copy(const StepInputs& inputs) {
  inputs_ = {inputs.input.clone(), {inputs.targets.indices.clone()}, {}};
  for (const auto& mask : inputs.dropoutMasks) inputs_.dropoutMasks.push_back(mask.clone());
}

void CapturedStep::fill(const StepInputs& inputs) {
  inputs_.input.copy_(inputs.input);
  inputs_.targets.indices.copy_(inputs.targets.indices);
  for (std::size_t i = 0; i < inputs_.dropoutMasks.size(); ++i) inputs_.dropoutMasks[i].copy_(inputs.dropoutMasks[i]);
}

}  // namespace resnet_torch::train
