#include "cuda/devices.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <cuda_runtime_api.h>

#include "cuda/compat.h"

namespace resnet_torch::cuda {

namespace {

cudaError_t listDevices(std::vector<DeviceInfo>& devices) {
  int count = 0;
  auto error = cudaGetDeviceCount(&count);
  for (int index = 0; error == cudaSuccess && index < count; index++) {
    cudaDeviceProp properties;
    error = cudaGetDeviceProperties(&properties, index);
    if (error == cudaSuccess)
      devices.push_back({properties.name, properties.major, properties.minor,
                         static_cast<std::int64_t>(properties.totalGlobalMem)});
  }
  return error;
}

Status ask() {
  Status answer;
  const auto error = listDevices(answer.devices);
  // What failed here must not be taken for the failure of a later call.
  cudaGetLastError();
  if (error != cudaSuccess) {
    answer.error = static_cast<int>(error);
    answer.errorText = std::string(cudaGetErrorName(error)) + ": " + cudaGetErrorString(error);
  }
  if (cudaDriverGetVersion(&answer.driver) != cudaSuccess) answer.driver = 0;
  if (cudaRuntimeGetVersion(&answer.runtime) != cudaSuccess) answer.runtime = 0;
  const auto& hooks = at::detail::getCUDAHooks();
  if (hooks.compiledWithCuDNN()) answer.cudnn = runtimeCudnn(hooks);
  return answer;
}

}  // namespace

const Status& status() {
  static const Status answer = ask();
  return answer;
}

}  // namespace resnet_torch::cuda
