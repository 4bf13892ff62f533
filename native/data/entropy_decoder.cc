#include "data/entropy_decoder.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

// Needs <cstdio> before it.
#include <jpeglib.h>

/// libjpeg's own declaration, which it keeps in jpegint.h: the same since libjpeg 6b and in every libjpeg-turbo
/// to 3.1.
struct jpeg_entropy_decoder {
  void (*start_pass)(j_decompress_ptr info);
  boolean (*decode_mcu)(j_decompress_ptr info, JBLOCKROW* blocks);
  boolean insufficient_data;
};

#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_THREAD__)
/// Shifts by amounts that are not constant are one instruction there.
#define RESNET_TORCH_BITS __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define RESNET_TORCH_BITS
#endif

namespace resnet_torch::data {

namespace {

constexpr unsigned kCoefficients = 64;
/// What one MCU can ask for beyond the end of the data: ten blocks of 64 codes and values of 31 bits.
constexpr std::size_t kPadding = 4096;
constexpr std::size_t kMostKept = std::size_t{16} << 20;

/// Positions of the coefficients of a block in the order of the file: from corner to corner, turning at the edges.
constexpr std::array<std::uint8_t, kCoefficients> zigzag() {
  std::array<std::uint8_t, kCoefficients> order{};
  std::size_t next = 0;
  for (int sum = 0; sum < 15; ++sum)
    for (int i = 0; i <= sum; ++i) {
      const int row = sum % 2 == 0 ? sum - i : i, column = sum - row;
      if (row < 8 && column < 8) order[next++] = static_cast<std::uint8_t>(row * 8 + column);
    }
  return order;
}
constexpr auto kOrder = zigzag();

/// Reads one block. Everything that could be guessed wrongly by a processor is arithmetic: only the end of the block
/// is a branch.
template <bool kStore>
[[gnu::always_inline]] inline void decodeBlock(EntropyState& state, int index, std::int16_t* block) {
  const auto position = static_cast<std::size_t>(index);
  const HuffmanTable& dc = *state.dc[position];
  const HuffmanTable& ac = *state.ac[position];
  auto buffer = state.buffer;
  auto count = static_cast<unsigned>(state.count);
  const auto* at = state.at;
  /// 56 bits or more are there afterwards. Where to load from is known since the last time, so nothing waits for it.
  const auto fill = [&] {
    std::uint64_t bytes;
    std::memcpy(&bytes, at, sizeof(bytes));
    if constexpr (std::endian::native == std::endian::little) bytes = __builtin_bswap64(bytes);
    buffer |= bytes >> count;
    at += (63 - count) >> 3;
    count |= 56;
  };
  const auto take = [&](HuffmanTable::Entry entry) {
    buffer <<= entry.bits();
    count -= entry.bits();
  };
  /// The value after a code: its first bit says that it is positive.
  const auto value = [](std::uint64_t next, HuffmanTable::Entry entry) {
    const auto bits = next << entry.code();
    const auto negative = ~static_cast<std::uint64_t>(static_cast<std::int64_t>(bits) >> 63);
    const auto most = (~std::uint64_t{0} >> 1) >> entry.shift();
    return static_cast<int>(bits >> 1 >> entry.shift()) - static_cast<int>(most & negative);
  };

  fill();
  auto entry = dc.look(buffer);
  if (entry.bits() == 0) [[unlikely]]
    entry = dc.longer(buffer);
  state.valid &= entry.bits() != 0;
  auto& prediction = state.prediction[state.component[position]];
  prediction += value(buffer, entry);
  take(entry);
  if constexpr (kStore) block[0] = static_cast<std::int16_t>(prediction);

  unsigned k = 0;
  /// False at the end of the block.
  const auto step = [&] {
    entry = ac.look(buffer);
    if (entry.bits() == 0) [[unlikely]]
      entry = ac.longer(buffer);
    const auto next = buffer;
    take(entry);
    k += entry.run() + 1;
    if (k >= kCoefficients) return false;
    if constexpr (kStore) block[kOrder[k]] = static_cast<std::int16_t>(value(next, entry));
    return k < kCoefficients - 1;
  };
  // Two codes with their values are 52 bits at most.
  do {
    fill();
  } while (step() && step());
  // A block ends by a code for it or with its last coefficient, and not beyond.
  state.valid &= entry.bits() != 0 && (entry.run() == HuffmanTable::kEnd || k == kCoefficients - 1);
  state.buffer = buffer;
  state.count = static_cast<int>(count);
  state.at = at;
}

/// The blocks of an MCU.
RESNET_TORCH_BITS void decodeBlocks(EntropyState& state, JBLOCKROW const* blocks) {
  for (int i = 0; i < state.blocks; ++i) decodeBlock<true>(state, i, *blocks[i]);
}

RESNET_TORCH_BITS void passBlocks(EntropyState& state) {
  for (int i = 0; i < state.blocks; ++i) decodeBlock<false>(state, i, nullptr);
}

/// A thread's tables and bytes, kept from image to image.
struct Kept {
  std::array<HuffmanTable, 8> tables;  // four for DC, four for AC
  Scratch bytes;
};
thread_local Kept kept;

boolean decodeMcuOf(j_decompress_ptr info, JBLOCKROW* blocks) {
  static_cast<EntropyDecoder*>(info->client_data)->decodeMcu(blocks);
  return TRUE;
}

}  // namespace

HuffmanTable::Entry HuffmanTable::meaning(std::uint8_t symbol, int length, bool dc) {
  const unsigned code = static_cast<unsigned>(length), size = symbol & 15U;
  // Without a value: sixteen zeros, or the end of the block.
  const unsigned run = dc ? 0 : size == 0 && symbol >> 4 != 15 ? kEnd : symbol >> 4;
  return {(code + size) | code << 6 | (63 - size) << 12 | run << 24};
}

bool HuffmanTable::build(const std::uint8_t* counts, const std::uint8_t* symbols, bool dc) {
  if (valid_ && dc == dc_ && std::equal(counts, counts + 16, source_.begin()) &&
      std::equal(symbols, symbols + 256, source_.begin() + 16))
    return true;
  valid_ = false;
  dc_ = dc;
  std::copy_n(counts, 16, source_.begin());
  std::copy_n(symbols, 256, source_.begin() + 16);
  std::copy_n(symbols, 256, symbols_.begin());
  entries_.fill({});
  most_.fill(-1);
  std::int32_t code = 0, used = 0;
  for (int length = 1; length <= 16; ++length, code <<= 1) {
    offset_[static_cast<std::size_t>(length)] = used - code;
    for (int i = 0; i < counts[length - 1]; ++i, ++code, ++used) {
      if (used >= 256 || code >= 1 << length) return false;
      const auto symbol = symbols_[static_cast<std::size_t>(used)];
      if (dc ? symbol > 11 : (symbol & 15) > 10) return false;  // of 8-bit samples there are no longer ones
      if (length > kLookBits) continue;
      const int rest = kLookBits - length;
      std::fill_n(entries_.begin() + (code << rest), 1 << rest, meaning(symbol, length, dc));
    }
    if (counts[length - 1] > 0) most_[static_cast<std::size_t>(length)] = code - 1;
  }
  valid_ = true;
  return true;
}

HuffmanTable::Entry HuffmanTable::longer(std::uint64_t next) const {
  for (int length = kLookBits + 1; length <= 16; ++length) {
    const auto code = static_cast<std::int32_t>(next >> (64 - length));
    if (code > most_[static_cast<std::size_t>(length)]) continue;
    const auto index = offset_[static_cast<std::size_t>(length)] + code;
    if (index < 0 || index > 255) break;
    return meaning(symbols_[static_cast<std::size_t>(index)], length, dc_);
  }
  return {};
}

bool EntropyDecoder::attach(jpeg_decompress_struct& info, Bytes file) {
#if LIBJPEG_TURBO_VERSION_NUMBER < 2000000 || LIBJPEG_TURBO_VERSION_NUMBER >= 3002000
  return false;
#endif
  if (info.progressive_mode || info.arith_code || jpeg_has_multiple_scans(&info)) return false;
  if (info.comps_in_scan != info.num_components || info.blocks_in_MCU > static_cast<int>(state_.dc.size()))
    return false;
  state_.blocks = info.blocks_in_MCU;
  for (int i = 0; i < state_.blocks; ++i) {
    const int member = info.MCU_membership[i];
    const auto* component = info.cur_comp_info[member];
    const auto* dc = info.dc_huff_tbl_ptrs[component->dc_tbl_no];
    const auto* ac = info.ac_huff_tbl_ptrs[component->ac_tbl_no];
    if (!dc || !ac) return false;
    auto& dcTable = kept.tables[static_cast<std::size_t>(component->dc_tbl_no)];
    auto& acTable = kept.tables[4 + static_cast<std::size_t>(component->ac_tbl_no)];
    if (!dcTable.build(dc->bits + 1, dc->huffval, true) || !acTable.build(ac->bits + 1, ac->huffval, false))
      return false;
    const auto index = static_cast<std::size_t>(i);
    state_.component[index] = static_cast<std::uint8_t>(member);
    state_.dc[index] = &dcTable;
    state_.ac[index] = &acTable;
  }
  restartInterval_ = static_cast<int>(info.restart_interval);
  const auto* from = info.src->next_input_byte;
  if (from < file.data() || from > file.data() + file.size()) return false;
  if (!unstuff({from, static_cast<std::size_t>(file.data() + file.size() - from)}, restartInterval_ > 0))
    return false;
  if (!beginSegment()) return false;
  info.client_data = this;
  info.entropy->decode_mcu = decodeMcuOf;
  return true;
}

/// Copies the data of the scan without the zeros that follow each 0xFF byte of it.
bool EntropyDecoder::unstuff(Bytes data, bool restarts) {
  auto& bytes = kept.bytes;
  if (bytes.capacity() > kMostKept) bytes = {};
  std::uint8_t* const out = bytes.reserve(data.size() + kPadding);
  std::size_t at = 0, to = 0;
  ends_.clear();
  for (;;) {
    const auto* found = static_cast<const std::uint8_t*>(std::memchr(data.data() + at, 0xFF, data.size() - at));
    if (!found) return false;
    const auto length = static_cast<std::size_t>(found - data.data()) - at;
    std::memcpy(out + to, data.data() + at, length);
    at += length + 1;
    to += length;
    while (at < data.size() && data[at] == 0xFF) ++at;  // fill bytes
    if (at >= data.size()) return false;
    const auto marker = data[at++];
    if (marker == 0) {
      out[to++] = 0xFF;
      continue;
    }
    ends_.push_back(to);
    if (marker < JPEG_RST0 || marker > JPEG_RST0 + 7) break;
    if (!restarts || marker != JPEG_RST0 + (ends_.size() - 1) % 8) return false;
  }
  std::memset(out + to, 0, kPadding);
  begin_ = out;
  return true;
}

/// False where there is none.
bool EntropyDecoder::beginSegment() {
  if (segment_ >= ends_.size()) return false;
  state_.at = begin_ + (segment_ == 0 ? 0 : ends_[segment_ - 1]);
  state_.buffer = 0;
  state_.count = 0;
  state_.prediction = {};
  ++segment_;
  untilRestart_ = restartInterval_;
  return true;
}

void EntropyDecoder::decodeMcu(std::int16_t (*const* blocks)[64]) {
  if (odd_) return;
  if (restartInterval_ > 0 && untilRestart_ == 0 && !beginSegment()) {
    odd_ = true;
    return;
  }
  --untilRestart_;
  if (blocks) {
    decodeBlocks(state_, const_cast<JBLOCKROW const*>(blocks));
  } else {
    passBlocks(state_);
  }
  // No more may be read than the segment holds.
  const auto read = (state_.at - begin_) * 8 - state_.count;
  odd_ = !state_.valid || read > static_cast<std::ptrdiff_t>(ends_[segment_ - 1]) * 8;
}

}  // namespace resnet_torch::data
