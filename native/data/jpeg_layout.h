#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace resnet_torch::data {

using Bytes = std::span<const std::uint8_t>;

/// What a JPEG's markers say, without decoding it.
struct JpegLayout {
  bool valid = false;         ///< a frame header and a scan were found
  int width = 0, height = 0;  ///< stored pixels
  int components = 0;
  int precision = 0;     ///< bits a sample
  int orientation = 1;   ///< EXIF's
  std::size_t scan = 0;  ///< where the first scan's data begins
};

bool looksLikeJpeg(Bytes file);

/// Reads the markers up to the first scan; `valid` is false where the file (or the part of it given) ends before.
JpegLayout readJpegLayout(Bytes file);

/// Whether the image's own end marker is there: walks the scans from `layout.scan` on, so that neither an embedded
/// thumbnail nor what follows the image is taken for it.
bool hasJpegEnd(Bytes file, const JpegLayout& layout);

}  // namespace resnet_torch::data
