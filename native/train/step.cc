#include "train/step.h"

#include "train/autograd_step.h"
#include "train/cpu_step.h"
#include "train/device_step.h"
#include "train/session_options.h"

namespace resnet_torch::train {

// How a step goes, on every device.
void Stepper::step(const StepInputs& inputs, std::span<const double> rates) {
  begin(rates);
  launch(inputs, [this](const StepInputs& given) {
    forwardBackward(given);
    unscaleAndClip();
    update();
    moveStatistics();
  });
  end();
}

std::unique_ptr<Stepper> makeStepper(const StepParts& parts) {
  if (parts.options.autograd) return std::make_unique<AutogradStep>(parts);
  if (const auto make = stepKernels(parts.model.device())) return std::make_unique<DeviceStep>(parts, make);
  return std::make_unique<CpuStep>(parts);
}

bool CurrentSuffix::renew() {
  if (suffix_ && loads_ == parts_.model.loads()) return false;
  suffix_ = std::make_unique<model::TrainableSuffix>(parts_.model, parts_.frozenUnits, parts_.trainability,
                                                     parts_.options.compute);
  loads_ = parts_.model.loads();
  return true;
}

}  // namespace resnet_torch::train
