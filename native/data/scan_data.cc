#include "data/scan_data.h"

#include <cstring>

namespace resnet_torch::data {

namespace {

constexpr std::uint8_t kFirstRestart = 0xD0, kLastRestart = 0xD7;
constexpr std::size_t kMostKept = std::size_t{16} << 20;

/// A thread's, kept from scan to scan.
thread_local Scratch keptBytes;

}  // namespace

bool ScanData::take(Bytes data, bool restarts) {
  if (keptBytes.capacity() > kMostKept) keptBytes = {};
  std::uint8_t* const out = keptBytes.reserve(data.size() + kPadding);
  std::size_t at = 0, to = 0;
  ends.clear();
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
    ends.push_back(to);
    taken = at - 2;
    if (marker < kFirstRestart || marker > kLastRestart) break;
    if (!restarts || marker != kFirstRestart + (ends.size() - 1) % 8) return false;
  }
  std::memset(out + to, 0, kPadding);
  begin = out;
  return true;
}

}  // namespace resnet_torch::data
