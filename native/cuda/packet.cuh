#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstring>
#include <type_traits>

#include "cuda/device.cuh"

namespace resnet_torch::cuda {

__device__ __forceinline__ float toFloat(float value) {
  return value;
}
__device__ __forceinline__ float toFloat(__half value) {
  return __half2float(value);
}
__device__ __forceinline__ float toFloat(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

template <class T>
__device__ __forceinline__ T fromFloat(float value) {
  if constexpr (std::is_same_v<T, __half>) {
    return __float2half_rn(value);
  } else if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16_rn(value);
  } else {
    return value;
  }
}

/// Values that go from and to memory together.
template <class T, int kWidth>
struct Packet {
  T values[kWidth];
};

/// What the device reads and writes at once; the compiler puts smaller accesses together where it sees fit, but not
/// always.
template <int kBytes>
struct WordOf;
template <>
struct WordOf<16> {
  using Type = uint4;
};
template <>
struct WordOf<8> {
  using Type = uint2;
};

template <class T, int kWidth>
struct Words {
  static constexpr int kBytes = static_cast<int>(sizeof(T)) * kWidth, kEach = kBytes < 16 ? kBytes : 16;
  using Word = typename WordOf<kEach>::Type;
  Word words[kBytes / kEach];
};

template <int kWidth, class T>
__device__ __forceinline__ Packet<T, kWidth> loadPacket(const T* from) {
  Packet<T, kWidth> packet;
  if constexpr (kWidth == 1) {
    packet.values[0] = *from;
  } else {
    Words<T, kWidth> all;
    using Word = typename Words<T, kWidth>::Word;
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof all / sizeof(Word)); ++i)
      all.words[i] = reinterpret_cast<const Word*>(from)[i];
    memcpy(static_cast<void*>(packet.values), &all, sizeof all);
  }
  return packet;
}

template <class Word>
__device__ __forceinline__ void storeWord(Word* to, const Word& word) {
#ifdef __CUDA_ARCH__
  // An assignment is taken apart where the compiler does not see that the pointer is one to global memory.
  __stwb(to, word);
#else
  *to = word;
#endif
}

template <class T, int kWidth>
__device__ __forceinline__ void storePacket(T* to, const Packet<T, kWidth>& packet) {
  if constexpr (kWidth == 1) {
    *to = packet.values[0];
  } else {
    Words<T, kWidth> all;
    using Word = typename Words<T, kWidth>::Word;
    memcpy(&all, packet.values, sizeof all);
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof all / sizeof(Word)); ++i)
      storeWord(reinterpret_cast<Word*>(to) + i, all.words[i]);
  }
}

template <class T, int kWidth>
__device__ __forceinline__ void unpack(const Packet<T, kWidth>& packet, float (&to)[kWidth]) {
#pragma unroll
  for (int i = 0; i < kWidth; ++i) to[i] = toFloat(packet.values[i]);
}

template <class T, int kWidth>
__device__ __forceinline__ void load(const T* from, float (&to)[kWidth]) {
  unpack(loadPacket<kWidth>(from), to);
}

/// Values that need not be aligned as a packet, such as vectors by channel.
template <int kWidth>
__device__ __forceinline__ void loadSingly(const float* from, float (&to)[kWidth]) {
#pragma unroll
  for (int i = 0; i < kWidth; ++i) to[i] = from[i];
}

template <class T, int kWidth>
__device__ __forceinline__ void store(T* to, const float (&values)[kWidth]) {
  Packet<T, kWidth> packet;
  if constexpr (std::is_same_v<T, float> || kWidth % 2 != 0) {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) packet.values[i] = fromFloat<T>(values[i]);
  } else {
#pragma unroll
    for (int i = 0; i < kWidth; i += 2) {
      // Two are rounded by one instruction.
      if constexpr (std::is_same_v<T, __half>) {
        const auto pair = __floats2half2_rn(values[i], values[i + 1]);
        packet.values[i] = pair.x, packet.values[i + 1] = pair.y;
      } else {
        const auto pair = __floats2bfloat162_rn(values[i], values[i + 1]);
        packet.values[i] = pair.x, packet.values[i + 1] = pair.y;
      }
    }
  }
  storePacket(to, packet);
}

/// Whether all of these may be read and written in packets. Null is as good as any.
template <class... Pointers>
bool aligned(std::uintptr_t bytes, Pointers... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % bytes == 0) && ...);
}

}  // namespace resnet_torch::cuda
