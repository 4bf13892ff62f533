#include "cuda/memory.h"

#include <ATen/core/CachingHostAllocator.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>

namespace resnet_torch::cuda {

namespace {

std::mutex& recording() {
  // Never destroyed: threads may outlast static objects.
  static auto* mutex = new std::mutex;
  return *mutex;
}

}  // namespace

void useDevice(at::Device device) {
  c10::cuda::set_device(device.index());
}

void releaseDeviceMemory() {
  // This thread may be the one that records, and holds the lock.
  if (c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None) return;
  const std::unique_lock alone(recording(), std::try_to_lock);
  if (!alone) return;
  c10::cuda::CUDACachingAllocator::emptyCache();
  at::getHostAllocator(at::kCUDA)->empty_cache();
}

std::unique_lock<std::mutex> lockRecording() {
  return std::unique_lock(recording());
}

}  // namespace resnet_torch::cuda
