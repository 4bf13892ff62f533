#pragma once

#include <cstdint>
#include <string>

#include "data/augment.h"

namespace resnet_torch::data {

class ImageCache;

/// Reads an image file of any format that is read and writes the view of its address, [size, size, 3] bytes. Throws
/// std::runtime_error that says what is wrong with the file, without its path. JPEGs are decoded at 1/2, 1/4 or 1/8
/// of
/// their size where that leaves the view's box twice the sides of the view, or more. Where a cache is given, the
/// picture comes from it, without a look at the file, or is stored in it if there is room; the view is the same.
void decodeView(const std::string& path, const CropOptions& options, const Address& address, std::uint8_t* out,
                ImageCache* cache = nullptr);

struct ScannedImage {
  bool ok = false;
  std::string message;        ///< why not
  int width = 0, height = 0;  ///< as displayed
  std::string format;         ///< `jpeg`, or libvips' name
};

/// Reads an image's header and, in JPEGs, looks for the end marker. Does not throw for what is wrong with the file.
ScannedImage scanImage(const std::string& path);

}  // namespace resnet_torch::data
