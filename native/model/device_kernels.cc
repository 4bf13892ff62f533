#include "model/device_kernels.h"

#include "model/by_device.h"

namespace resnet_torch::model {

namespace {

constinit ByDevice<const DeviceKernels*> kernelsByDevice;

}  // namespace

const DeviceKernels* deviceKernels(at::Device device) {
  return kernelsByDevice.of(device);
}

void setDeviceKernels(at::DeviceType type, const DeviceKernels* kernels) {
  kernelsByDevice.set(type, kernels);
}

at::Tensor uploaded(const at::Tensor& values, at::Device device) {
  if (device.is_cpu()) return values;
  // Memory that is not pinned would be copied with the host waiting for all that its stream does before.
  return values.pin_memory().to(values.options().device(device), /*non_blocking=*/true);
}

}  // namespace resnet_torch::model
