#include "data/orientation.h"

namespace resnet_torch::data {

namespace {

/// Unsigned little- or big-endian reads from a TIFF block, zero outside of it.
struct TiffReader {
  const std::uint8_t* bytes;
  std::size_t size;
  bool bigEndian;

  std::uint32_t at(std::size_t offset, int width) const {
    if (offset > size || size - offset < static_cast<std::size_t>(width)) return 0;
    std::uint32_t value = 0;
    for (int i = 0; i < width; ++i) value = value << 8 | bytes[offset + (bigEndian ? i : width - 1 - i)];
    return value;
  }
};

/// Along stored axes: whether the displayed x axis runs along stored y, and which stored axes run backwards.
struct Turn {
  bool swap, backX, backY;
};

constexpr Turn turnOf(int orientation) {
  switch (orientation) {
    case 2:
      return {false, true, false};
    case 3:
      return {false, true, true};
    case 4:
      return {false, false, true};
    case 5:
      return {true, false, false};
    case 6:
      return {true, false, true};
    case 7:
      return {true, true, true};
    case 8:
      return {true, true, false};
    default:
      return {false, false, false};
  }
}

}  // namespace

Reversed reversedAxes(int orientation) {
  const auto turn = turnOf(orientation);
  return turn.swap ? Reversed{turn.backY, turn.backX} : Reversed{turn.backX, turn.backY};
}

Box storedBox(const Box& box, int orientation, int width, int height) {
  const auto turn = turnOf(orientation);
  Box stored = turn.swap ? Box{box.top, box.left, box.height, box.width} : box;
  if (turn.backX) stored.left = width - stored.left - stored.width;
  if (turn.backY) stored.top = height - stored.top - stored.height;
  return stored;
}

PixelWalk displayWalk(int orientation, int width, int height) {
  const auto turn = turnOf(orientation);
  const std::ptrdiff_t alongX = turn.backX ? -1 : 1;
  const std::ptrdiff_t alongY = turn.backY ? -static_cast<std::ptrdiff_t>(width) : width;
  PixelWalk walk;
  walk.offset = (turn.backX ? width - 1 : 0) + (turn.backY ? static_cast<std::ptrdiff_t>(height - 1) * width : 0);
  walk.stepX = turn.swap ? alongY : alongX;
  walk.stepY = turn.swap ? alongX : alongY;
  return walk;
}

int exifOrientation(const std::uint8_t* tiff, std::size_t size) {
  constexpr std::uint32_t kOrientationTag = 0x0112, kShort = 3;
  if (size < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
  const TiffReader reader{tiff, size, tiff[0] == 'M'};
  if (reader.at(2, 2) != 42) return 1;
  const std::size_t directory = reader.at(4, 4);
  const auto entries = reader.at(directory, 2);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t{12} * i;
    if (reader.at(entry, 2) != kOrientationTag) continue;
    const auto value = reader.at(entry + 8, reader.at(entry + 2, 2) == kShort ? 2 : 4);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace resnet_torch::data
