#include "data/progressive_decoder.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "data/libjpeg_entropy.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace resnet_torch::data {

namespace {

constexpr int kCoefficients = 64;
/// Of 8-bit samples, differences and their sums are far below.
constexpr int kMostDcBits = 11, kMostDc = 1 << 16;

constexpr auto kOrder = zigzag();

/// A thread's tables: four for DC, four for AC.
thread_local std::array<SymbolTable, 8> keptTables;

/// The bits of a state, held where a compiler can keep them in registers.
class Bits {
 public:
  [[gnu::always_inline]] explicit Bits(ProgressiveState& state)
      : state_(state), at_(state.at), buffer_(state.buffer), count_(state.count) {}
  [[gnu::always_inline]] ~Bits() {
    state_.at = at_;
    state_.buffer = buffer_;
    state_.count = count_;
  }
  Bits(const Bits&) = delete;
  Bits& operator=(const Bits&) = delete;

  /// 56 bits or more are there afterwards.
  [[gnu::always_inline]] void fill() {
    std::uint64_t bytes;
    std::memcpy(&bytes, at_, sizeof(bytes));
    if constexpr (std::endian::native == std::endian::little) bytes = __builtin_bswap64(bytes);
    buffer_ |= bytes >> count_;
    at_ += (63 - count_) >> 3;
    count_ |= 56;
  }
  [[gnu::always_inline]] std::uint64_t next() const { return buffer_; }
  [[gnu::always_inline]] void drop(unsigned bits) {
    buffer_ <<= bits;
    count_ -= bits;
  }
  /// As many bits as are there; 0 for none.
  [[gnu::always_inline]] std::uint32_t take(unsigned bits) {
    const auto value = static_cast<std::uint32_t>(buffer_ >> 1 >> (63 - bits));
    drop(bits);
    return value;
  }
  [[gnu::always_inline]] bool one() {
    if (count_ == 0) fill();
    const bool set = buffer_ >> 63 != 0;
    drop(1);
    return set;
  }

 private:
  ProgressiveState& state_;
  const std::uint8_t* at_;
  std::uint64_t buffer_;
  unsigned count_;
};

/// A value of so many bits: its first bit says that it is positive.
[[gnu::always_inline]] inline int signedValue(std::uint32_t value, unsigned bits) {
  const auto low = static_cast<int>(value);
  return bits > 0 && value >> (bits - 1) == 0 ? low - (1 << bits) + 1 : low;
}

RESNET_TORCH_BITS void dcFirst(ProgressiveState& state, std::int16_t (*const* blocks)[64]) {
  Bits bits(state);
  for (int i = 0; i < state.blocks; ++i) {
    const auto position = static_cast<std::size_t>(i);
    bits.fill();
    const auto entry = state.codes[position]->look(bits.next());
    bits.drop(entry.bits);
    state.valid &= entry.bits != 0 && entry.symbol <= kMostDcBits;
    const unsigned size = entry.symbol & 15U;
    auto& prediction = state.prediction[state.component[position]];
    prediction += signedValue(bits.take(size), size);
    state.valid &= prediction < kMostDc && prediction > -kMostDc;
    if (!state.valid) return;
    (*blocks[i])[0] = static_cast<std::int16_t>(prediction * (1 << state.shift));
  }
}

RESNET_TORCH_BITS void dcRefine(ProgressiveState& state, std::int16_t (*const* blocks)[64]) {
  Bits bits(state);
  for (int i = 0; i < state.blocks; ++i)
    if (bits.one()) (*blocks[i])[0] = static_cast<std::int16_t>((*blocks[i])[0] | 1 << state.shift);
}

RESNET_TORCH_BITS void acFirst(ProgressiveState& state, std::int16_t (*const* blocks)[64]) {
  if (state.endRun > 0) {
    --state.endRun;
    return;
  }
  Bits bits(state);
  std::int16_t* const block = *blocks[0];
  const auto& codes = *state.codes[0];
  for (int k = state.first; k <= state.last; ++k) {
    bits.fill();
    const auto entry = codes.look(bits.next());
    bits.drop(entry.bits);
    const unsigned run = entry.symbol >> 4, size = entry.symbol & 15U;
    if (size > 0) {
      k += static_cast<int>(run);
      state.valid &= entry.bits != 0 && k <= state.last;
      if (!state.valid) return;
      const int value = signedValue(bits.take(size), size) * (1 << state.shift);
      block[kOrder[static_cast<std::size_t>(k)]] = static_cast<std::int16_t>(value);
    } else if (run == 15) {
      k += 15;
    } else {
      state.valid &= entry.bits != 0;
      state.endRun = (1U << run) + bits.take(run) - 1;
      return;
    }
  }
}

/// For each row of a block and each set of its eight coefficients: the set in the order of the file.
constexpr auto orderedSets() {
  std::array<std::array<std::uint64_t, 256>, 8> sets{};
  for (std::size_t at = 0; at < kOrder.size(); ++at) {
    const std::size_t row = kOrder[at] / 8U, column = kOrder[at] % 8U;
    for (std::size_t set = 0; set < 256; ++set)
      if ((set >> column & 1) != 0) sets[row][set] |= std::uint64_t{1} << at;
  }
  return sets;
}
constexpr auto kOrderedSets = orderedSets();

/// Which of eight coefficients are not zero.
[[gnu::always_inline]] inline unsigned notZero(const std::int16_t* row) {
#ifdef __SSE2__
  const auto values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row));
  const auto zero = _mm_setzero_si128();
  return ~static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(_mm_cmpeq_epi16(values, zero), zero))) & 255U;
#else
  unsigned set = 0;
  for (int i = 0; i < 8; ++i) set |= static_cast<unsigned>(row[i] != 0) << i;
  return set;
#endif
}

/// One bit more of each coefficient of a set.
[[gnu::always_inline]] inline void refine(Bits& bits, std::uint64_t set, std::int16_t* block, int bit) {
  constexpr int kFilled = 56;
  while (set != 0) {
    bits.fill();
    for (int left = kFilled; set != 0 && left > 0; --left, set &= set - 1) {
      auto& value = block[kOrder[static_cast<std::size_t>(std::countr_zero(set))]];
      // No branch: a processor cannot guess these bits.
      const int more = static_cast<int>(bits.take(1)) & static_cast<int>((value & bit) == 0);
      const int negative = value >> 15;
      value = static_cast<std::int16_t>(value + (((bit * more) ^ negative) - negative));
    }
  }
}

/// The positions from `low` to before `high`, which is at most 64.
[[gnu::always_inline]] inline std::uint64_t between(int low, int high) {
  return low >= high ? 0 : ~std::uint64_t{0} >> (64 - (high - low)) << low;
}

RESNET_TORCH_BITS void acRefine(ProgressiveState& state, std::int16_t (*const* blocks)[64]) {
  Bits bits(state);
  std::int16_t* const block = *blocks[0];
  const auto& codes = *state.codes[0];
  const int bit = 1 << state.shift, last = state.last;
  std::uint64_t there = 0;
  for (std::size_t row = 0; row < 8; ++row) there |= kOrderedSets[row][notZero(block + row * 8)];
  int k = state.first;
  if (state.endRun == 0) {
    for (; k <= last; ++k) {
      bits.fill();
      const auto entry = codes.look(bits.next());
      bits.drop(entry.bits);
      int run = entry.symbol >> 4, value = 0;
      const int size = entry.symbol & 15;
      state.valid &= entry.bits != 0 && size <= 1;
      if (!state.valid) return;
      if (size == 1) {
        value = bits.take(1) != 0 ? bit : -bit;
      } else if (run != 15) {
        state.endRun = (1U << run) + bits.take(static_cast<unsigned>(run));
        break;
      }
      // Past so many coefficients that are still zero, to the next of them; those that are not have a bit each.
      auto zeros = ~there & between(k, last + 1);
      for (; run > 0 && zeros != 0; --run) zeros &= zeros - 1;
      const int to = zeros == 0 ? last + 1 : std::countr_zero(zeros);
      refine(bits, there & between(k, to), block, bit);
      k = to;
      if (value == 0) continue;
      state.valid &= k <= last;
      if (!state.valid) return;
      block[kOrder[static_cast<std::size_t>(k)]] = static_cast<std::int16_t>(value);
    }
  }
  if (state.endRun == 0) return;
  refine(bits, there & between(k, last + 1), block, bit);
  --state.endRun;
}

void startPassOf(j_decompress_ptr info) {
  static_cast<ProgressiveDecoder*>(info->client_data)->beginScan(*info);
}

boolean decodeMcuOf(j_decompress_ptr info, JBLOCKROW* blocks) {
  static_cast<ProgressiveDecoder*>(info->client_data)->decodeMcu(blocks);
  return TRUE;
}

}  // namespace

bool SymbolTable::build(const std::uint8_t* counts, const std::uint8_t* symbols) {
  if (code_.isOf(counts, symbols)) return true;
  return code_.build(counts, symbols, entries_, [](std::uint8_t symbol, int length, Entry& entry) {
    entry = {symbol, static_cast<std::uint8_t>(length)};
    return true;
  });
}

bool ProgressiveDecoder::attach(jpeg_decompress_struct& info, Bytes file) {
  if (!RESNET_TORCH_KNOWS_LIBJPEG || !info.progressive_mode || info.arith_code || !info.buffered_image) return false;
  file_ = file;
  if (!prepare(info)) return false;
  start_ = info.entropy->start_pass;
  info.client_data = this;
  info.entropy->start_pass = startPassOf;
  info.entropy->decode_mcu = decodeMcuOf;
  return true;
}

void ProgressiveDecoder::beginScan(jpeg_decompress_struct& info) {
  start_(&info);  // looks whether the scan may be, and may not come back
  info.entropy->decode_mcu = decodeMcuOf;
  odd_ = odd_ || !prepare(info);
}

/// Takes the scan that libjpeg is at. False where it is better left to it.
bool ProgressiveDecoder::prepare(jpeg_decompress_struct& info) {
  state_ = {};
  state_.first = info.Ss;
  state_.last = info.Se;
  state_.shift = info.Al;
  state_.blocks = info.blocks_in_MCU;
  const bool dc = info.Ss == 0, refining = info.Ah != 0;
  if (state_.blocks > static_cast<int>(state_.codes.size()) || info.Se >= kCoefficients || info.Al > 13) return false;
  decode_ = dc ? (refining ? dcRefine : dcFirst) : (refining ? acRefine : acFirst);
  for (int i = 0; i < state_.blocks; ++i) {
    const auto position = static_cast<std::size_t>(i);
    const int member = info.MCU_membership[i];
    state_.component[position] = static_cast<std::uint8_t>(member);
    if (dc && refining) continue;
    const auto* component = info.cur_comp_info[member];
    const int number = dc ? component->dc_tbl_no : component->ac_tbl_no;
    const auto* code = (dc ? info.dc_huff_tbl_ptrs : info.ac_huff_tbl_ptrs)[number];
    if (!code) return false;
    auto& table = keptTables[static_cast<std::size_t>((dc ? 0 : 4) + number)];
    const bool known = std::find(state_.codes.begin(), state_.codes.begin() + i, &table) != state_.codes.begin() + i;
    if (!known && !table.build(code->bits + 1, code->huffval)) return false;
    state_.codes[position] = &table;
  }
  auto& from = info.src->next_input_byte;
  if (from < file_.data() || from > file_.data() + file_.size()) return false;
  const Bytes rest{from, static_cast<std::size_t>(file_.data() + file_.size() - from)};
  if (!segments_.take(rest, static_cast<int>(info.restart_interval)) || !segments_.begin(state_)) return false;
  // libjpeg goes on at the marker behind the scan.
  from += segments_.taken();
  info.src->bytes_in_buffer -= segments_.taken();
  return true;
}

void ProgressiveDecoder::decodeMcu(std::int16_t (*const* blocks)[64]) {
  if (odd_) return;
  if (!segments_.advance(state_)) {
    odd_ = true;
    return;
  }
  decode_(state_, blocks);
  odd_ = !state_.valid || !segments_.holds(state_);
}

}  // namespace resnet_torch::data
