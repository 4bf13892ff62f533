#pragma once

#include <cstdint>
#include <string>

#include "data/augment.h"

namespace resnet_torch::data {

/// Reads an image file of any format that is read and writes the view of its address, [size, size, 3] bytes. Throws
/// std::runtime_error that says what is wrong with the file, without its path.
void decodeView(const std::string& path, const CropOptions& options, const Address& address, std::uint8_t* out);

struct ScannedImage {
  bool ok = false;
  std::string message;        ///< why not
  int width = 0, height = 0;  ///< as displayed
  std::string format;         ///< `jpeg`, or libvips' name
};

/// Reads an image's header and, in JPEGs, looks for the end marker. Does not throw for what is wrong with the file.
ScannedImage scanImage(const std::string& path);

}  // namespace resnet_torch::data
