#pragma once

#include "cuda/optimizer.h"
#include "cuda/packet.cuh"

namespace resnet_torch::cuda {

/// Values that a thread takes of a parameter at a time.
inline constexpr int kTensorPacket = 8;

template <int kWidth>
__device__ __forceinline__ void loadStored(const void* from, Storage storage, std::int64_t at, float (&to)[kWidth]) {
  switch (storage) {
    case Storage::kFloat32:
      return load(static_cast<const float*>(from) + at, to);
    case Storage::kFloat16:
      return load(static_cast<const __half*>(from) + at, to);
    case Storage::kBfloat16:
      return load(static_cast<const __nv_bfloat16*>(from) + at, to);
  }
}

template <int kWidth>
__device__ __forceinline__ void storeStored(void* to, Storage storage, std::int64_t at, const float (&from)[kWidth]) {
  switch (storage) {
    case Storage::kFloat32:
      return store(static_cast<float*>(to) + at, from);
    case Storage::kFloat16:
      return store(static_cast<__half*>(to) + at, from);
    case Storage::kBfloat16:
      return store(static_cast<__nv_bfloat16*>(to) + at, from);
  }
}

/// A compile-time width, for generic lambdas.
template <int kValue>
struct Width {
  static constexpr int value = kValue;
};

/// Walks over a chunk with the block's threads: body(Width, position), in packets where the tensor's memory allows,
/// and singly over what is left.
template <class Body>
__device__ __forceinline__ void overChunk(const OptimizerTensor& tensor, const Chunk& chunk, Body body) {
  const auto begin = chunk.index * kChunkSize;
  const auto end = begin + kChunkSize < tensor.size ? begin + kChunkSize : tensor.size;
  auto any = reinterpret_cast<std::uintptr_t>(tensor.parameter) | reinterpret_cast<std::uintptr_t>(tensor.gradient) |
             reinterpret_cast<std::uintptr_t>(tensor.copy);
#pragma unroll
  for (const float* slot : tensor.slots) any |= reinterpret_cast<std::uintptr_t>(slot);
  const auto whole = any % 16 == 0 ? begin + (end - begin) / kTensorPacket * kTensorPacket : begin;
  const auto thread = static_cast<std::int64_t>(threadIdx.x);
  for (auto at = begin + thread * kTensorPacket; at < whole; at += kThreads * kTensorPacket)
    body(Width<kTensorPacket>{}, at);
  for (auto at = whole + thread; at < end; at += kThreads) body(Width<1>{}, at);
}

}  // namespace resnet_torch::cuda
