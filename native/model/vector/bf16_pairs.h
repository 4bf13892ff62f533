#pragma once

#include <immintrin.h>

#include <cstdint>

namespace resnet_torch::model {

/// Bits of a bfloat16.
using Bf16 = std::uint16_t;

/// A block's channels in registers of 16 sums, and as many rows of sums as leave registers for the operands.
constexpr int kVectors = 4, kTile = 6;
constexpr int kBlock = 16 * kVectors;
/// A block of channels, two values each.
constexpr int kPair = 2 * kBlock;

/// Two neighbours in memory, for all lanes.
inline __m512bh broadcastPair(const Bf16* from) {
  std::int32_t both;
  __builtin_memcpy(&both, from, sizeof both);
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(both));
}

inline __m512bh loadPairs(const Bf16* from) {
  return reinterpret_cast<__m512bh>(_mm512_loadu_si512(from));
}

}  // namespace resnet_torch::model
