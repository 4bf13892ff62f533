#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "data/huffman_code.h"
#include "data/jpeg_layout.h"
#include "data/scan_data.h"

struct jpeg_decompress_struct;

namespace resnet_torch::data {

/// A Huffman code of a JPEG and what its symbols mean, ready to be looked up by the bits that come next.
class HuffmanTable {
 public:
  /// What a code means, in one word: bits of it and of the value that follows, of it alone, the value's size (as 63
  /// less it), and coefficients to pass over.
  struct Entry {
    std::uint32_t packed = 0;

    unsigned bits() const { return packed & 63; }  ///< 0: the code is longer than what was looked at
    unsigned code() const { return packed >> 6 & 63; }
    unsigned shift() const { return packed >> 12 & 63; }
    unsigned run() const { return packed >> 24; }  ///< kEnd: the block is over
  };
  static constexpr unsigned kEnd = 64;

  /// `counts`: codes of 1 to 16 bits; `symbols`: theirs, in order. False where they make no code.
  bool build(const std::uint8_t* counts, const std::uint8_t* symbols, bool dc);

  const Entry& look(std::uint64_t next) const { return entries_[next >> (64 - HuffmanCode::kLookBits)]; }
  /// For codes that are longer than what is looked at; 0 bits where there is no such code.
  Entry longer(std::uint64_t next) const;

 private:
  static Entry meaning(std::uint8_t symbol, int length, bool dc);

  std::array<Entry, HuffmanCode::kLooked> entries_;
  HuffmanCode code_;
  bool dc_ = false;
};

/// Where a decoder is in a segment of the data, and how its blocks are coded.
struct EntropyState {
  const std::uint8_t* at = nullptr;
  std::uint64_t buffer = 0;  ///< the next bits, the first of them highest
  int count = 0;             ///< of them
  bool valid = true;         ///< no code was met that there is not

  int blocks = 0;  ///< of an MCU; for each, its tables and whose difference it holds
  std::array<const HuffmanTable*, 10> dc{}, ac{};
  std::array<std::uint8_t, 10> component{};
  std::array<int, 4> prediction{};

  void restart(const std::uint8_t* from) {
    at = from;
    buffer = 0;
    count = 0;
    prediction = {};
  }
};

/// Decodes the coefficients of a sequential JPEG in the place of libjpeg's own decoder, and faster: the bytes are
/// freed of stuffing beforehand, so that 56 bits are had at a time without a look at each byte, and one look-up gives
/// code, run and value. All the rest stays libjpeg's. What is odd in the data is left to libjpeg: `odd()` says that
/// the picture must be decoded again without this.
class EntropyDecoder {
 public:
  /// After jpeg_start_decompress(). False, and nothing is changed, where the JPEG is of another kind.
  bool attach(jpeg_decompress_struct& info, Bytes file);
  bool odd() const { return odd_; }

  /// The coefficients of the next MCU into blocks of 64, which are zero; without blocks they are passed over, those
  /// of whole segments between restart markers without a look at them.
  void decodeMcu(std::int16_t (*const* blocks)[64]);

 private:
  /// False where the data are odd.
  bool next(std::int16_t (*const* blocks)[64]);
  bool catchUp();

  ScanSegments segments_;
  EntropyState state_;
  int passed_ = 0;  ///< MCUs that are yet to be passed over
  bool odd_ = false;
};

}  // namespace resnet_torch::data
