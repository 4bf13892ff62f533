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
  kOdd,  ///< something about its data is best left to libjpeg alone
};

/// Who decodes a JPEG's Huffman codes.
enum class Entropy {
  kOurs,  ///< where the JPEG is of the usual kind; the outcome is kOdd where its data are not
  kLibjpeg,
};

/// Whether decodeJpeg can be tried: 8-bit grey or YCbCr/RGB.
bool isPlainJpeg(const JpegLayout& layout);

/// Decodes the rows and columns of sink.source(), in display orientation, and pushes them into it. Pixels equal those
/// of a whole decode by libjpeg-turbo (accurate integer DCT, smooth chroma upsampling). At a `factor` of 2, 4 or 8
/// pixels are means of factor×factor ones, taken from the DCT's coefficients, and source() is a part of that smaller
/// picture. `message` says why not.
JpegOutcome decodeJpeg(Bytes file, const JpegLayout& layout, int factor, Entropy entropy, RowSink& sink,
                       std::string& message);

}  // namespace resnet_torch::data
