#include "train/device_step.h"

#include <array>
#include <atomic>

namespace resnet_torch::train {

namespace {

std::atomic<MakeDeviceStep>& makerOf(at::DeviceType type) {
  static std::array<std::atomic<MakeDeviceStep>, at::COMPILE_TIME_MAX_DEVICE_TYPES> all{};
  return all.at(static_cast<std::size_t>(type));
}

}  // namespace

MakeDeviceStep deviceStep(at::Device device) {
  return makerOf(device.type()).load(std::memory_order_acquire);
}

void setDeviceStep(at::DeviceType type, MakeDeviceStep make) {
  makerOf(type).store(make, std::memory_order_release);
}

}  // namespace resnet_torch::train
