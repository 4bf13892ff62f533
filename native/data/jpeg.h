#pragma once

#include <cstdint>
#include <string>

#include "data/jpeg_layout.h"
#include "data/resize.h"

namespace resnet_torch::data {

enum class JpegOutcome {
  kDone,
  kUnsupported,  ///< a kind of JPEG that libjpeg-turbo does not turn into RGB, or refuses
  kBroken,
};

/// Whether decodeJpeg can be tried: 8-bit grey or YCbCr/RGB.
bool isPlainJpeg(const JpegLayout& layout);

/// Decodes the rows and columns that `resizer` needs, in display orientation, and pushes them into it. Pixels equal
/// those of a whole decode by libjpeg-turbo (accurate integer DCT, smooth chroma upsampling). `message` says why not.
JpegOutcome decodeJpeg(Bytes file, const JpegLayout& layout, ViewResizer& resizer, std::string& message);

}  // namespace resnet_torch::data
