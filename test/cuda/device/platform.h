#pragma once

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

/// Where the kernels' tests run: here, on the first CUDA device. The host reads what a kernel wrote as soon as it was
/// launched, so that CUDA_LAUNCH_BLOCKING=1 must be set.
namespace platform {

inline void check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error));
}

inline void begin(unsigned) {
  check(cudaSetDevice(0));
}

[[noreturn]] inline void leaveOutBarrier(const std::string&) {
  throw std::runtime_error("a barrier can be left out in the emulator alone");
}

/// Memory that both sides see: the host's, which the device reaches at the same address. Some systems have no managed
/// memory, and a device can hang for want of it.
inline void* allocate(std::size_t bytes) {
  void* memory = nullptr;
  check(cudaHostAlloc(&memory, bytes == 0 ? 1 : bytes, cudaHostAllocMapped | cudaHostAllocPortable));
  void* seen = nullptr;
  check(cudaHostGetDevicePointer(&seen, memory, 0));
  if (seen != memory) throw std::runtime_error("the device sees the host's memory at another address");
  return memory;
}
inline void release(void* memory) {
  // What a kernel did wrong is told by end().
  static_cast<void>(cudaFreeHost(memory));
}

/// Throws for a fault that no call before has told of.
inline void end() {
  check(cudaDeviceSynchronize());
}

}  // namespace platform
