#pragma once

#include "cuda/device.cuh"

namespace resnet_torch::cuda {

inline constexpr int kWarps = kThreads / kWarp;

template <class T>
__device__ __forceinline__ T warpSum(T value) {
#pragma unroll
  for (int bits = kWarp / 2; bits > 0; bits /= 2) value += __shfl_xor_sync(kWholeWarp, value, bits);
  return value;
}

/// The sum of all threads' values, for all of them, in fixed order. The block is one of kThreads in x.
template <class T>
__device__ __forceinline__ T blockSum(T value) {
  RESNET_TORCH_SHARED(T, warps, kWarps);
  value = warpSum(value);
  // What an earlier call left may still be read.
  __syncthreads();
  if (threadIdx.x % kWarp == 0) warps[threadIdx.x / kWarp] = value;
  __syncthreads();
  T total = 0;
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) total += warps[warp];
  return total;
}

}  // namespace resnet_torch::cuda
