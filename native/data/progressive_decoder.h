#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "data/huffman_code.h"
#include "data/jpeg_layout.h"
#include "data/scan_data.h"

struct jpeg_decompress_struct;

namespace resnet_torch::data {

/// A Huffman code: the symbol and the length of the code that comes next.
class SymbolTable {
 public:
  using Entry = HuffmanCode::Found;

  /// `counts`: codes of 1 to 16 bits; `symbols`: theirs, in order. False where they make no code.
  bool build(const std::uint8_t* counts, const std::uint8_t* symbols);
  Entry look(std::uint64_t next) const {
    const auto entry = entries_[next >> (64 - HuffmanCode::kLookBits)];
    return entry.bits != 0 ? entry : code_.longer(next);
  }

 private:
  std::array<Entry, HuffmanCode::kLooked> entries_;
  HuffmanCode code_;
};

/// Where a scan is in its data, and what it refines.
struct ProgressiveState {
  const std::uint8_t* at = nullptr;
  std::uint64_t buffer = 0;  ///< the next bits, the first of them highest
  unsigned count = 0;        ///< of them
  bool valid = true;         ///< nothing was met that libjpeg would see otherwise

  int first = 0, last = 0, shift = 0;  ///< the scan's coefficients, and the bit that it tells of
  std::uint32_t endRun = 0;            ///< blocks of which nothing more is told
  int blocks = 0;                      ///< of an MCU; for each, whose difference it holds, and its code
  std::array<std::uint8_t, 10> component{};
  std::array<const SymbolTable*, 10> codes{};
  std::array<int, 4> prediction{};

  void restart(const std::uint8_t* from) {
    at = from;
    buffer = 0;
    count = 0;
    prediction = {};
    endRun = 0;
  }
};

/// Decodes the coefficients of a progressive JPEG, scan by scan, in the place of libjpeg's own decoder, and faster,
/// as EntropyDecoder does of a sequential one. What is odd in the data is left to libjpeg: `odd()` says that the
/// picture must be decoded again without this.
class ProgressiveDecoder {
 public:
  /// After jpeg_start_decompress() of a picture that is to be read by scans (buffered_image), before the first of
  /// them is. False, and nothing is changed, where the JPEG or the library is of another kind.
  bool attach(jpeg_decompress_struct& info, Bytes file);
  bool odd() const { return odd_; }

  /// libjpeg's callbacks.
  void beginScan(jpeg_decompress_struct& info);
  void decodeMcu(std::int16_t (*const* blocks)[64]);

 private:
  using Decode = void (*)(ProgressiveState& state, std::int16_t (*const* blocks)[64]);

  bool prepare(jpeg_decompress_struct& info);

  Bytes file_;
  void (*start_)(jpeg_decompress_struct* info) = nullptr;  ///< libjpeg's own
  ScanSegments segments_;
  Decode decode_ = nullptr;
  ProgressiveState state_;
  bool odd_ = false;
};

}  // namespace resnet_torch::data
