#pragma once

#include <cstdint>

#include "data/file_format.h"
#include "data/source.h"

namespace resnet_torch::data {

/// What a file's own structure says of how it is decoded.
struct ContainerCost {
  std::int64_t held = 0;          ///< bytes that its decoder holds, whatever the size of the picture
  std::int64_t heldPerPixel = 0;  ///< and for each of its pixels
};

/// Walks the structure of a file of any format but JPEG, before a decoder sees it. Throws std::runtime_error where it
/// ends before its parts do, or is of a kind that is not read; TooManyPixels.
///   PNG: the lengths of all chunks, to its end chunk. WebP: the length in its header. GIF: the blocks of the first
///   frame. TIFF: the first directory, and that its strips or tiles lie within the file. AVIF: the lengths of its
///   boxes, and that its items lie within the file.
ContainerCost checkContainer(ImageBytes& file, FileFormat format, std::int64_t mostPixels);

ContainerCost checkPng(ImageBytes& file, std::int64_t mostPixels);
ContainerCost checkWebp(ImageBytes& file);
ContainerCost checkGif(ImageBytes& file);
ContainerCost checkTiff(ImageBytes& file, std::int64_t mostPixels);
ContainerCost checkAvif(ImageBytes& file, std::int64_t mostPixels);

}  // namespace resnet_torch::data
