#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace resnet_torch::data {

/// Positions of the coefficients of a block in the order of the file: from corner to corner, turning at the edges.
constexpr std::array<std::uint8_t, 64> zigzag() {
  std::array<std::uint8_t, 64> order{};
  std::size_t next = 0;
  for (int sum = 0; sum < 15; ++sum)
    for (int i = 0; i <= sum; ++i) {
      const int row = sum % 2 == 0 ? sum - i : i, column = sum - row;
      if (row < 8 && column < 8) order[next++] = static_cast<std::uint8_t>(row * 8 + column);
    }
  return order;
}

/// A Huffman code as a JPEG describes it, and what its tables are made from: they say of each code that is short
/// enough what it means, and the longer ones are found here.
class HuffmanCode {
 public:
  static constexpr int kLookBits = 10;
  static constexpr std::size_t kLooked = std::size_t{1} << kLookBits;

  struct Found {
    std::uint8_t symbol = 0, bits = 0;  ///< 0 bits: there is no such code
  };

  bool isOf(const std::uint8_t* counts, const std::uint8_t* symbols) const {
    return valid_ && std::equal(counts, counts + 16, counts_.begin()) &&
           std::equal(symbols, symbols + 256, symbols_.begin());
  }

  /// `counts`: codes of 1 to 16 bits; `symbols`: theirs, in order. `entries` are what is found by the next kLookBits
  /// bits, and `meaning(symbol, length, entry)` says what a code means. False where they make no code, or it says so.
  template <typename Entry, typename Meaning>
  bool build(const std::uint8_t* counts, const std::uint8_t* symbols, std::array<Entry, kLooked>& entries,
             const Meaning& meaning) {
    valid_ = false;
    std::copy_n(counts, 16, counts_.begin());
    std::copy_n(symbols, 256, symbols_.begin());
    entries.fill({});
    most_.fill(-1);
    std::int32_t code = 0, used = 0;
    for (int length = 1; length <= 16; ++length, code <<= 1) {
      offset_[static_cast<std::size_t>(length)] = used - code;
      for (int i = 0; i < counts[length - 1]; ++i, ++code, ++used) {
        if (used >= 256 || code >= 1 << length) return false;
        Entry entry;
        if (!meaning(symbols_[static_cast<std::size_t>(used)], length, entry)) return false;
        if (length > kLookBits) continue;
        const int rest = kLookBits - length;
        std::fill_n(entries.begin() + (code << rest), 1 << rest, entry);
      }
      if (counts[length - 1] > 0) most_[static_cast<std::size_t>(length)] = code - 1;
    }
    valid_ = true;
    return true;
  }

  /// Of the codes that are longer than kLookBits. These are rare: out of the way of the loops that decode.
  [[gnu::noinline]] Found longer(std::uint64_t next) const {
    for (int length = kLookBits + 1; length <= 16; ++length) {
      const auto code = static_cast<std::int32_t>(next >> (64 - length));
      if (code > most_[static_cast<std::size_t>(length)]) continue;
      const auto index = offset_[static_cast<std::size_t>(length)] + code;
      if (index < 0 || index > 255) break;
      return {symbols_[static_cast<std::size_t>(index)], static_cast<std::uint8_t>(length)};
    }
    return {};
  }

 private:
  std::array<std::int32_t, 18> most_;    ///< the largest code of each length, −1 where there is none
  std::array<std::int32_t, 17> offset_;  ///< of a length's symbols, less its smallest code
  std::array<std::uint8_t, 256> symbols_{};
  std::array<std::uint8_t, 16> counts_{};  ///< with `symbols_` what it was built from
  bool valid_ = false;
};

}  // namespace resnet_torch::data
