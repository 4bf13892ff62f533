#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace resnet_torch {

// Fast hashes for checks and keys, not against an adversary. Four lanes of 64×64→128-bit multiplications, as wyhash
// and rapidhash have them: several GB/s, limited by memory.

namespace hashing {

inline constexpr std::uint64_t kSecrets[5] = {0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB,
                                              0xD6E8FEB86659FD93, 0xA0761D6478BD642F};

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t read64(const std::byte* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof(value));
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

}  // namespace hashing

/// A hash of bytes that is the same on every machine.
inline std::uint64_t hash64(const void* data, std::size_t size, std::uint64_t seed = 0) {
  using namespace hashing;
  const auto* at = static_cast<const std::byte*>(data);
  std::uint64_t lanes[4];
  for (int lane = 0; lane < 4; ++lane) lanes[lane] = mix(seed ^ kSecrets[lane], kSecrets[lane + 1]);
  std::size_t left = size;
  for (; left >= 64; left -= 64, at += 64)
    for (int lane = 0; lane < 4; ++lane)
      lanes[lane] = mix(read64(at + 16 * lane) ^ kSecrets[lane], read64(at + 16 * lane + 8) ^ lanes[lane]);
  std::byte tail[64] = {};
  if (left > 0) std::memcpy(tail, at, left);
  for (int lane = 0; lane < 4; ++lane)
    lanes[lane] = mix(read64(tail + 16 * lane) ^ kSecrets[lane], read64(tail + 16 * lane + 8) ^ lanes[lane]);
  const auto folded = mix(lanes[0] ^ std::rotl(lanes[1], 23), lanes[2] ^ std::rotl(lanes[3], 41));
  return mix(folded ^ size ^ kSecrets[4], lanes[0] + lanes[1] + lanes[2] + lanes[3] + kSecrets[0]);
}

/// Two independent halves.
struct Hash128 {
  std::uint64_t high = 0, low = 0;
  bool operator==(const Hash128&) const = default;
};

inline Hash128 hash128(const void* data, std::size_t size) {
  return {hash64(data, size, 0x2545F4914F6CDD1D), hash64(data, size, 0x5851F42D4C957F2D)};
}

}  // namespace resnet_torch
