#include "data/jpeg_layout.h"

#include <algorithm>
#include <cstring>

#include "data/orientation.h"

namespace resnet_torch::data {

namespace {

enum Marker : std::uint8_t {
  kTemporary = 0x01,
  kFirstRestart = 0xD0,
  kLastRestart = 0xD7,
  kStart = 0xD8,
  kEnd = 0xD9,
  kScan = 0xDA,
  kApplication1 = 0xE1,
};

/// A frame header, which holds the size: SOF0 to SOF15 but DHT, JPG and DAC.
bool isFrame(std::uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

/// SOF2, SOF6, SOF10, SOF14.
bool isProgressive(std::uint8_t marker) {
  return (marker & 3) == 2;
}

bool standsAlone(std::uint8_t marker) {
  return marker == kTemporary || marker == kStart || (marker >= kFirstRestart && marker <= kLastRestart);
}

int read16(Bytes file, std::size_t at) {
  return file[at] << 8 | file[at + 1];
}

/// The position after the next marker byte at or after `at`, or the file's end.
std::size_t afterMarker(Bytes file, std::size_t at) {
  while (at < file.size()) {
    const auto* found = static_cast<const std::uint8_t*>(std::memchr(file.data() + at, 0xFF, file.size() - at));
    if (!found) break;
    at = static_cast<std::size_t>(found - file.data()) + 1;
    while (at < file.size() && file[at] == 0xFF) ++at;  // fill bytes
    if (at < file.size() && file[at] != 0) return at + 1;
  }
  return file.size();
}

/// Blocks of all components of a frame, whose sampling factors follow its header; 0 where they are none.
std::int64_t blocksOf(Bytes frame, const JpegLayout& layout) {
  constexpr std::size_t kHeader = 6, kComponent = 3;
  const auto count = std::min((frame.size() - kHeader) / kComponent, static_cast<std::size_t>(layout.components));
  const auto factor = [&](std::size_t component, int shift) {
    return static_cast<std::int64_t>(frame[kHeader + component * kComponent + 1] >> shift & 15);
  };
  std::int64_t across = 1, down = 1, each = 0;
  for (std::size_t i = 0; i < count; ++i) {
    across = std::max(across, factor(i, 4));
    down = std::max(down, factor(i, 0));
    each += factor(i, 4) * factor(i, 0);
  }
  return (layout.width + 8 * across - 1) / (8 * across) * ((layout.height + 8 * down - 1) / (8 * down)) * each;
}

void readSegment(std::uint8_t marker, Bytes body, JpegLayout& layout) {
  constexpr char kExif[] = "Exif\0";  // and a second zero
  if (isFrame(marker) && body.size() >= 6 && layout.width == 0) {
    layout.precision = body[0];
    layout.height = read16(body, 1);
    layout.width = read16(body, 3);
    layout.components = body[5];
    layout.severalScans = isProgressive(marker);
    layout.blocks = blocksOf(body, layout);
  } else if (marker == kApplication1 && body.size() > 6 && std::memcmp(body.data(), kExif, 6) == 0) {
    layout.orientation = exifOrientation(body.data() + 6, body.size() - 6);
  } else if (marker == kScan && !body.empty() && body[0] < layout.components) {
    layout.severalScans = true;
  }
}

}  // namespace

bool looksLikeJpeg(Bytes file) {
  return file.size() >= 3 && file[0] == 0xFF && file[1] == kStart && file[2] == 0xFF;
}

JpegLayout readJpegLayout(Bytes file) {
  JpegLayout layout;
  std::size_t at = 2;
  for (;;) {
    at = afterMarker(file, at);
    if (at >= file.size()) return layout;
    const auto marker = file[at - 1];
    if (marker == kEnd) return layout;
    if (standsAlone(marker)) continue;
    if (file.size() - at < 2) return layout;
    const auto length = static_cast<std::size_t>(read16(file, at));
    if (length < 2 || length > file.size() - at) return layout;
    readSegment(marker, file.subspan(at + 2, length - 2), layout);
    at += length;
    if (marker == kScan) {
      layout.scan = at;
      layout.valid = layout.width > 0 && layout.height > 0;
      return layout;
    }
  }
}

std::optional<int> countScans(Bytes file, const JpegLayout& layout) {
  std::size_t at = layout.scan;
  for (int scans = 1;;) {
    const auto next = afterMarker(file, at);
    if (next == at || next > file.size()) return std::nullopt;
    const auto marker = file[next - 1];
    if (next == file.size())
      return marker == kEnd && next >= 2 && file[next - 2] == 0xFF ? std::optional(scans) : std::nullopt;
    if (marker == kEnd) return scans;
    at = next;
    if (standsAlone(marker)) continue;
    if (marker == kScan) ++scans;
    // Between scans: tables, and the next scan's header.
    if (file.size() - at < 2) return std::nullopt;
    const auto length = static_cast<std::size_t>(read16(file, at));
    if (length < 2 || length > file.size() - at) return std::nullopt;
    at += length;
  }
}

}  // namespace resnet_torch::data
