#include "data/entropy_decoder.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "data/libjpeg_entropy.h"

namespace resnet_torch::data {

namespace {

constexpr unsigned kCoefficients = 64;

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

/// A thread's tables, kept from image to image: four for DC, four for AC.
thread_local std::array<HuffmanTable, 8> keptTables;

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
  if (dc == dc_ && code_.isOf(counts, symbols)) return true;
  dc_ = dc;
  return code_.build(counts, symbols, entries_, [dc](std::uint8_t symbol, int length, Entry& entry) {
    if (dc ? symbol > 11 : (symbol & 15) > 10) return false;  // of 8-bit samples there are no longer ones
    entry = meaning(symbol, length, dc);
    return true;
  });
}

HuffmanTable::Entry HuffmanTable::longer(std::uint64_t next) const {
  const auto [symbol, bits] = code_.longer(next);
  return bits == 0 ? Entry{} : meaning(symbol, bits, dc_);
}

bool EntropyDecoder::attach(jpeg_decompress_struct& info, Bytes file) {
  if (!RESNET_TORCH_KNOWS_LIBJPEG) return false;
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
    auto& dcTable = keptTables[static_cast<std::size_t>(component->dc_tbl_no)];
    auto& acTable = keptTables[4 + static_cast<std::size_t>(component->ac_tbl_no)];
    if (!dcTable.build(dc->bits + 1, dc->huffval, true) || !acTable.build(ac->bits + 1, ac->huffval, false))
      return false;
    const auto index = static_cast<std::size_t>(i);
    state_.component[index] = static_cast<std::uint8_t>(member);
    state_.dc[index] = &dcTable;
    state_.ac[index] = &acTable;
  }
  const auto* from = info.src->next_input_byte;
  if (from < file.data() || from > file.data() + file.size()) return false;
  const Bytes rest{from, static_cast<std::size_t>(file.data() + file.size() - from)};
  if (!segments_.take(rest, static_cast<int>(info.restart_interval)) || !segments_.begin(state_)) return false;
  info.client_data = this;
  info.entropy->decode_mcu = decodeMcuOf;
  return true;
}

bool EntropyDecoder::next(std::int16_t (*const* blocks)[64]) {
  if (!segments_.advance(state_)) return false;
  if (blocks) {
    decodeBlocks(state_, const_cast<JBLOCKROW const*>(blocks));
  } else {
    passBlocks(state_);
  }
  return state_.valid && segments_.holds(state_);
}

bool EntropyDecoder::catchUp() {
  const int leapt = segments_.leap(state_, passed_);
  if (leapt < 0) return false;
  for (passed_ -= leapt; passed_ > 0; --passed_)
    if (!next(nullptr)) return false;
  return true;
}

void EntropyDecoder::decodeMcu(std::int16_t (*const* blocks)[64]) {
  if (odd_) return;
  if (!blocks) {
    ++passed_;
  } else {
    odd_ = (passed_ > 0 && !catchUp()) || !next(blocks);
  }
}

}  // namespace resnet_torch::data
