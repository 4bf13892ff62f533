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

/// Decodes the rows and columns of sink.source(), in display orientation, and pushes them into it. Pixels equal those
/// of a whole decode by libjpeg-turbo (accurate integer DCT, smooth chroma upsampling). At a `factor` of 2, 4 or 8
/// pixels are means of factor×factor ones, taken from the DCT's coefficients, and source() is a part of that smaller
/// picture. `message` says why not.
JpegOutcome decodeJpeg(Bytes file, const JpegLayout& layout, int factor, RowSink& sink, std::string& message);

}  // namespace resnet_torch::data
