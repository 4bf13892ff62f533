#pragma once

#include <cstdint>
#include <string>

#include "core/hash.h"
#include "data/limits.h"
#include "data/source.h"
#include "data/view/geometry.h"

namespace resnet_torch::data {

class ImageCache;

/// Reads an image of any format that is read and writes the view of its address, [size, size, 3] bytes. Throws
/// std::runtime_error that says what is wrong with the image, without its name; Error or std::bad_alloc for what is
/// wrong with the system. What a decoder will hold, and how much it will make, is looked at before it begins
/// (data/limits.h). JPEGs are decoded at 1/2, 1/4 or 1/8
/// of their size where that leaves the view's box twice the sides of the view, or more. Where a cache is given, the
/// picture comes from it, unless the file was changed since, or is stored in it if there is room; the view is the
/// same.
void decodeView(const ImageSource& source, const CropOptions& options, const Address& address, std::uint8_t* out,
                ImageCache* cache = nullptr, std::int64_t mostPixels = kMostPixels);

struct ScannedImage {
  bool ok = false;
  std::string message;        ///< why not
  int width = 0, height = 0;  ///< as displayed
  std::string format;         ///< `jpeg`, `raw`, or libvips' name
  std::size_t bytes = 0;      ///< of the file
  Hash128 digest;             ///< of all bytes; of a file of more than 512 KiB, of its size, its head and its end
};

/// Reads an image's header, and looks whether the file ends early (countScans, checkContainer). Does not throw for
/// what is wrong with the file, but for what is wrong with the system: Error, std::bad_alloc.
ScannedImage scanImage(const ImageSource& source);

}  // namespace resnet_torch::data
