#pragma once

#include "data/jpeg_layout.h"
#include "data/resize.h"
#include "data/source.h"

namespace resnet_torch::data {

/// Pushes all rows of the sink's source() from pixels of this shape; grey becomes red, green and blue of the same.
void pushRaw(Bytes pixels, const RawShape& shape, RowSink& sink);

}  // namespace resnet_torch::data
