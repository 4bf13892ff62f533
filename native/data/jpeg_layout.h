#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace resnet_torch::data {

using Bytes = std::span<const std::uint8_t>;

/// What a JPEG's markers say, without decoding it.
struct JpegLayout {
  bool valid = false;         ///< a frame header and a scan were found
  int width = 0, height = 0;  ///< stored pixels
  int components = 0;
  int precision = 0;          ///< bits a sample
  int orientation = 1;        ///< EXIF's
  bool severalScans = false;  ///< progressive, or its components come one after the other
  std::int64_t blocks = 0;    ///< of 64 coefficients, of all components
  std::size_t scan = 0;       ///< where the first scan's data begins

  /// What a decoder holds of it at once: the coefficients of a picture that comes in several scans.
  std::int64_t heldBytes() const { return severalScans ? blocks * 128 : 0; }
};

bool looksLikeJpeg(Bytes file);

/// Reads the markers up to the first scan; `valid` is false where the file (or the part of it given) ends before.
JpegLayout readJpegLayout(Bytes file);

/// How many scans there are to the image's own end marker; nothing where that is missing. Walks them from
/// `layout.scan` on, so that neither an embedded thumbnail nor what follows the image is taken for the end.
std::optional<int> countScans(Bytes file, const JpegLayout& layout);

}  // namespace resnet_torch::data
