#include "train/device_feed.h"

#include "model/by_device.h"

namespace resnet_torch::train {

namespace {

constinit model::ByDevice<const Feeding*> feedings;

}  // namespace

const Feeding* feeding(at::Device device) {
  return feedings.of(device);
}

void setFeeding(at::DeviceType type, const Feeding* feeding) {
  feedings.set(type, feeding);
}

}  // namespace resnet_torch::train
