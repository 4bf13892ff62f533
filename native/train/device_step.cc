#include "train/device_step.h"

#include "model/by_device.h"

namespace resnet_torch::train {

namespace {

constinit model::ByDevice<MakeDeviceStep> makers;

}  // namespace

MakeDeviceStep deviceStep(at::Device device) {
  return makers.of(device);
}

void setDeviceStep(at::DeviceType type, MakeDeviceStep make) {
  makers.set(type, make);
}

}  // namespace resnet_torch::train
