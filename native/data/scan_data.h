#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "data/jpeg_layout.h"
#include "data/uninitialised.h"

namespace resnet_torch::data {

/// The coded data of a scan of a JPEG, freed of what makes its bytes tell from markers, so that many bits are had at
/// a time without a look at each byte.
struct ScanData {
  /// What may be read beyond the end: an MCU can ask for ten blocks of 64 codes and values of 31 bits. Zeros.
  static constexpr std::size_t kPadding = 4096;

  /// Takes what begins `data`, up to the marker that ends the scan. False where there is none, or where there are
  /// restart markers that should not be, or out of turn.
  bool take(Bytes data, bool restarts);

  const std::uint8_t* begin = nullptr;  ///< in the thread's memory, until its next scan
  std::vector<std::size_t> ends;        ///< of the segments between restart markers
  std::size_t taken = 0;                ///< bytes of `data` before the marker
};

/// The way through a scan, MCU by MCU: what is read begins anew with each segment, and ends with it.
class ScanSegments {
 public:
  /// As ScanData's, with MCUs from one restart marker to the next; 0 for none.
  bool take(Bytes data, int restartInterval) {
    interval_ = restartInterval;
    next_ = 0;
    return data_.take(data, interval_ > 0);
  }
  std::size_t taken() const { return data_.taken; }

  /// Turns a state to the next segment. False where there is none.
  template <typename State>
  bool begin(State& state) {
    if (next_ >= data_.ends.size()) return false;
    state.restart(data_.begin + (next_ == 0 ? 0 : data_.ends[next_ - 1]));
    ++next_;
    untilRestart_ = interval_;
    return true;
  }
  /// Before an MCU. False where it should begin a segment that is not there.
  template <typename State>
  bool advance(State& state) {
    if (interval_ > 0 && untilRestart_ == 0 && !begin(state)) return false;
    --untilRestart_;
    return true;
  }
  /// Passes over MCUs without a look at their bits, as far as whole segments go: at most `count`. How many; negative
  /// where a segment is not there.
  template <typename State>
  int leap(State& state, int count) {
    int passed = 0;
    while (interval_ > 0 && count - passed >= untilRestart_) {
      passed += std::exchange(untilRestart_, 0);
      if (count - passed < interval_) break;
      if (!begin(state)) return -1;
    }
    return passed;
  }
  /// After it: whether no more was read than the segment holds.
  template <typename State>
  bool holds(const State& state) const {
    const auto read = (state.at - data_.begin) * 8 - static_cast<std::ptrdiff_t>(state.count);
    return read <= static_cast<std::ptrdiff_t>(data_.ends[next_ - 1]) * 8;
  }

 private:
  ScanData data_;
  std::size_t next_ = 0;
  int interval_ = 0, untilRestart_ = 0;
};

}  // namespace resnet_torch::data
