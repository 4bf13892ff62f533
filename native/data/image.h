#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "data/augment.h"
#include "data/source.h"

namespace resnet_torch::data {

class ImageCache;

/// sharp's limit: larger ones are more likely an attack than a photograph.
inline constexpr std::int64_t kMostPixels = std::int64_t{0x3FFF} * 0x3FFF;

/// An image is larger than what may be decoded; found in its header.
class TooManyPixels : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Reads an image of any format that is read and writes the view of its address, [size, size, 3] bytes. Throws
/// std::runtime_error that says what is wrong with the image, without its name. JPEGs are decoded at 1/2, 1/4 or 1/8
/// of their size where that leaves the view's box twice the sides of the view, or more. Where a cache is given, the
/// picture comes from it, without a look at the file, or is stored in it if there is room; the view is the same.
void decodeView(const ImageSource& source, const CropOptions& options, const Address& address, std::uint8_t* out,
                ImageCache* cache = nullptr, std::int64_t mostPixels = kMostPixels);

struct ScannedImage {
  bool ok = false;
  std::string message;        ///< why not
  int width = 0, height = 0;  ///< as displayed
  std::string format;         ///< `jpeg`, `raw`, or libvips' name
};

/// Reads an image's header and, in JPEGs, looks for the end marker. Does not throw for what is wrong with the file.
ScannedImage scanImage(const ImageSource& source);

}  // namespace resnet_torch::data
