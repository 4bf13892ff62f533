#pragma once

#include <array>
#include <cstdint>

namespace resnet_torch {

// Randomness is addressed, not drawn: a choice is a function of (seed, epoch, sample index, purpose) alone, whatever
// the number of threads and whatever was drawn before. The function is Philox4x32-10 (Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", SC'11), the generator of Random123, cuRAND and PyTorch on CUDA.

using PhiloxBlock = std::array<std::uint32_t, 4>;

/// Philox4x32 with 10 rounds.
constexpr PhiloxBlock philox(PhiloxBlock counter, std::array<std::uint32_t, 2> key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0], product1 = kMultiplier1 * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

/// What a random choice is for. The numbers are part of every address: never renumber them.
enum class Purpose : std::uint32_t {
  kShuffle = 0,
  kCrop = 1,
  kFlip = 2,
  kDropout = 3,
  kInitialisation = 4,
  kVerticalFlip = 5,
  kColorJitter = 6,
  kGrayscale = 7,
  kErasing = 8,
};

/// An endless stream of numbers at one address. The key is the seed; the counter is (position, purpose · stream ·
/// bits 32 to 47 of the index, low bits of the index, epoch). `stream` (0 to 255) tells several streams of one
/// address apart, such as the layers that drop out; an index has 48 bits, an epoch 32.
class AddressedRandom {
 public:
  constexpr AddressedRandom(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index, Purpose purpose,
                            std::uint32_t stream = 0)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        counter_{0,
                 static_cast<std::uint32_t>(purpose) << 24 | (stream & 0xFF) << 16 |
                     (static_cast<std::uint32_t>(index >> 32) & 0xFFFF),
                 static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(epoch)} {}

  constexpr std::uint64_t bits64() {
    if (!half_) {
      block_ = philox(counter_, key_);
      ++counter_[0];
    }
    const std::uint64_t bits = half_ ? join(block_[2], block_[3]) : join(block_[0], block_[1]);
    half_ = !half_;
    return bits;
  }

  /// Uniform in [0, 1) with 53 random bits.
  constexpr double uniform() { return static_cast<double>(bits64() >> 11) * 0x1p-53; }
  constexpr double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Uniform in 0 … bound − 1, for bounds that are small beside 2^53.
  constexpr std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(uniform() * static_cast<double>(bound));
  }

 private:
  static constexpr std::uint64_t join(std::uint32_t low, std::uint32_t high) {
    return static_cast<std::uint64_t>(high) << 32 | low;
  }

  std::array<std::uint32_t, 2> key_;
  PhiloxBlock counter_;
  PhiloxBlock block_{};
  bool half_ = false;
};

/// A seed for a generator of another kind (at::Generator), for the `ordinal`-th use of `purpose`.
constexpr std::uint64_t addressedSeed(std::uint64_t seed, std::uint64_t ordinal, Purpose purpose) {
  return AddressedRandom(seed, 0, ordinal, purpose).bits64();
}

// The known answers of Random123 (kat_vectors).
static_assert(philox({0, 0, 0, 0}, {0, 0}) == PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
              PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

}  // namespace resnet_torch
