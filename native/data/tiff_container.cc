#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "data/byte_window.h"
#include "data/container.h"
#include "data/limits.h"

namespace resnet_torch::data {

namespace {

enum Tag : std::uint64_t {
  kWidth = 256,
  kHeight = 257,
  kBits = 258,
  kStripOffsets = 273,
  kSamples = 277,
  kRowsPerStrip = 278,
  kStripLengths = 279,
  kTileWidth = 322,
  kTileHeight = 323,
  kTileOffsets = 324,
  kTileLengths = 325,
};

/// An entry of a directory: numbers, and where they lie.
struct Field {
  std::uint64_t count = 0, offset = 0;
  int width = 0;  ///< bytes of each; 0 where the tag is not there

  std::uint64_t value(ByteWindow& window, std::uint64_t index) const {
    return window.number(offset + index * static_cast<std::uint64_t>(width), width);
  }
  std::uint64_t first(ByteWindow& window, std::uint64_t otherwise) const {
    return width > 0 && count > 0 ? value(window, 0) : otherwise;
  }
  std::vector<std::uint64_t> values(ByteWindow& window) const {
    std::vector<std::uint64_t> all(width > 0 ? count : 0);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = value(window, i);
    return all;
  }
};

/// Bytes of a number of these types: BYTE, SHORT, LONG, LONG8; 0 of others.
int widthOf(std::uint64_t type) {
  return type == 1 ? 1 : type == 3 ? 2 : type == 4 || type == 13 ? 4 : type == 16 || type == 18 ? 8 : 0;
}

struct Directory {
  Field width, height, bits, samples, rows, tileWidth, tileHeight;
  Field offsets[2], lengths[2];  ///< of strips, of tiles

  Field* of(std::uint64_t tag) {
    switch (tag) {
      case kWidth:
        return &width;
      case kHeight:
        return &height;
      case kBits:
        return &bits;
      case kSamples:
        return &samples;
      case kRowsPerStrip:
        return &rows;
      case kTileWidth:
        return &tileWidth;
      case kTileHeight:
        return &tileHeight;
      case kStripOffsets:
      case kTileOffsets:
        return &offsets[tag == kTileOffsets];
      case kStripLengths:
      case kTileLengths:
        return &lengths[tag == kTileLengths];
      default:
        return nullptr;
    }
  }
};

Directory readDirectory(ByteWindow& window) {
  const bool big = window.number(2, 2) == 43;
  const int word = big ? 8 : 4;
  const std::uint64_t entryBytes = big ? 20 : 12;
  const auto start = window.number(big ? 8 : 4, word);
  const auto count = window.number(start, big ? 8 : 2);
  const auto first = start + (big ? 8 : 2);
  if (count > window.size() / entryBytes) window.fail();
  Directory directory;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto entry = first + i * entryBytes;
    auto* const field = directory.of(window.number(entry, 2));
    if (!field) continue;
    field->width = widthOf(window.number(entry + 2, 2));
    field->count = window.number(entry + 4, word);
    const auto value = entry + 4 + static_cast<std::uint64_t>(word);
    const bool inside = field->count <= static_cast<std::uint64_t>(word) &&
                        field->count * static_cast<std::uint64_t>(field->width) <= static_cast<std::uint64_t>(word);
    field->offset = inside ? value : window.number(value, word);
    if (field->count > window.size()) window.fail();
    window.requireTo(field->offset, field->count * static_cast<std::uint64_t>(field->width));
  }
  return directory;
}

/// Multiplies numbers that a file may have chosen.
std::int64_t product(std::initializer_list<std::uint64_t> factors) {
  constexpr double kMost = 4e18;
  double product = 1;
  for (const auto factor : factors) product *= static_cast<double>(factor);
  return static_cast<std::int64_t>(std::min(product, kMost));
}

}  // namespace

ContainerCost checkTiff(ImageBytes& file, std::int64_t mostPixels) {
  ByteWindow window(file, "TIFF", false);
  window.setBigEndian(window.at(0, 1)[0] == 'M');
  auto directory = readDirectory(window);
  const auto width = directory.width.first(window, 0), height = directory.height.first(window, 0);
  constexpr auto kMostSide = static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max());
  checkSize(static_cast<std::int64_t>(std::min(width, kMostSide)),
            static_cast<std::int64_t>(std::min(height, kMostSide)), mostPixels);
  const auto samples = directory.samples.first(window, 1), bits = directory.bits.first(window, 1);
  if (samples < 1 || samples > kMostBands)
    throw std::runtime_error("it has " + std::to_string(samples) + " bands, and at most " +
                             std::to_string(kMostBands) + " are read");
  if (bits > 64) throw std::runtime_error("its samples have " + std::to_string(bits) + " bits");

  const bool tiled = directory.offsets[1].count > 0;
  const auto& offsets = directory.offsets[tiled];
  const auto& lengths = directory.lengths[tiled];
  if (offsets.count == 0 || offsets.width == 0) throw std::runtime_error("the TIFF has no strips and no tiles");
  const auto begins = offsets.values(window), sizes = lengths.values(window);
  for (std::size_t i = 0; i < begins.size(); ++i) window.requireTo(begins[i], i < sizes.size() ? sizes[i] : 0);

  const auto bytes = (std::max<std::uint64_t>(bits, 8) + 7) / 8 * samples;
  const auto tileHeight = directory.tileHeight.first(window, 1), tileWidth = directory.tileWidth.first(window, 1);
  if (!tiled) return {product({width, std::min(directory.rows.first(window, height), height), bytes}), 0};
  // A row of tiles, and one that is being decoded.
  return {product({2, std::max(width, tileWidth) + tileWidth, tileHeight, bytes}), 0};
}

}  // namespace resnet_torch::data
