#include "data/container.h"

#include <cstring>

#include "data/byte_window.h"
#include "data/limits.h"

namespace resnet_torch::data {

ContainerCost checkContainer(ImageBytes& file, FileFormat format, std::int64_t mostPixels) {
  switch (format) {
    case FileFormat::kPng:
      return checkPng(file, mostPixels);
    case FileFormat::kWebp:
      return checkWebp(file);
    case FileFormat::kGif:
      return checkGif(file);
    case FileFormat::kTiff:
      return checkTiff(file, mostPixels);
    case FileFormat::kAvif:
      return checkAvif(file, mostPixels);
    default:
      return {};
  }
}

ContainerCost checkPng(ImageBytes& file, std::int64_t mostPixels) {
  constexpr std::size_t kSignature = 8, kFrame = 12, kHeader = 13;
  constexpr std::uint8_t kEnd[kFrame] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xAE, 0x42, 0x60, 0x82};
  ByteWindow window(file, "PNG", true);
  checkSize(static_cast<std::int64_t>(window.number(kSignature + 8, 4)),
            static_cast<std::int64_t>(window.number(kSignature + 12, 4)), mostPixels);
  const auto header = window.at(kSignature + 8, kHeader);
  const int depth = header[8], colour = header[9];
  const bool interlaced = header[12] != 0;
  // An interlaced picture is held whole, as it is decoded; a palette's as colours and alpha.
  const int samples = colour == 2 ? 4 : colour == 0 ? 2 : 4;
  const ContainerCost cost{0, interlaced ? std::int64_t{samples} * (depth == 16 ? 2 : 1) : 0};
  // Most end with their last chunk; where one does not, or is long, the chunks are walked.
  const auto size = file.size();
  if (size >= kFrame && std::memcmp(window.at(size - kFrame, kFrame).data(), kEnd, kFrame) == 0) return cost;
  for (std::uint64_t at = kSignature;;) {
    const auto length = window.number(at, 4);
    const bool last = std::memcmp(window.at(at + 4, 4).data(), "IEND", 4) == 0;
    window.requireTo(at, length + kFrame);
    if (last) return cost;
    at += length + kFrame;
  }
}

ContainerCost checkWebp(ImageBytes& file) {
  ByteWindow window(file, "WebP", false);
  const auto length = window.number(4, 4);
  window.requireTo(8, length);
  // Decoded whole: its pixels and, where it is lossless or has an alpha channel, what it is decoded from.
  const bool lossy = std::memcmp(window.at(12, 4).data(), "VP8 ", 4) == 0;
  return {0, lossy ? 5 : 8};
}

namespace {

/// The end of a GIF's sub-blocks.
std::uint64_t afterSubBlocks(ByteWindow& window, std::uint64_t at) {
  for (;;) {
    const auto length = window.number(at, 1);
    window.requireTo(at, length + 1);
    at += length + 1;
    if (length == 0) return at;
  }
}

std::uint64_t colourTableBytes(std::uint64_t flags) {
  return flags & 0x80 ? std::uint64_t{3} << ((flags & 7) + 1) : 0;
}

}  // namespace

ContainerCost checkGif(ImageBytes& file) {
  constexpr int kExtension = 0x21, kPicture = 0x2C;
  ByteWindow window(file, "GIF", false);
  auto at = 13 + colourTableBytes(window.number(10, 1));
  for (;;) {
    const auto kind = window.number(at, 1);
    if (kind == kExtension) {
      at = afterSubBlocks(window, at + 2);
    } else if (kind == kPicture) {
      if (window.number(at + 5, 2) == 0 || window.number(at + 7, 2) == 0)
        throw std::runtime_error("its first frame has no pixels");
      afterSubBlocks(window, at + 11 + colourTableBytes(window.number(at + 9, 1)));
      return {0, 6};
    } else {
      throw std::runtime_error("the GIF has no frame");
    }
  }
}

}  // namespace resnet_torch::data
