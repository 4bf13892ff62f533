#include "train/step_kernels.h"

#include "model/by_device.h"

namespace resnet_torch::train {

namespace {

constinit model::ByDevice<MakeStepKernels> makers;

}  // namespace

MakeStepKernels stepKernels(at::Device device) {
  return makers.of(device);
}

void setStepKernels(at::DeviceType type, MakeStepKernels make) {
  makers.set(type, make);
}

}  // namespace resnet_torch::train
