#include "model/device_kernels.h"

#include <array>
#include <atomic>

namespace resnet_torch::model {

namespace {

std::atomic<const DeviceKernels*>& kernelsOf(at::DeviceType type) {
  static std::array<std::atomic<const DeviceKernels*>, at::COMPILE_TIME_MAX_DEVICE_TYPES> all{};
  return all.at(static_cast<std::size_t>(type));
}

}  // namespace

const DeviceKernels* deviceKernels(at::Device device) {
  return kernelsOf(device.type()).load(std::memory_order_acquire);
}

void setDeviceKernels(at::DeviceType type, const DeviceKernels* kernels) {
  kernelsOf(type).store(kernels, std::memory_order_release);
}

at::Tensor uploaded(const at::Tensor& values, at::Device device) {
  if (device.is_cpu()) return values;
  // Memory that is not pinned would be copied with the host waiting for all that its stream does before.
  return values.pin_memory().to(values.options().device(device), /*non_blocking=*/true);
}

}  // namespace resnet_torch::model
