#pragma once

#include "model/aten.h"

#include <optional>

namespace resnet_torch::model {

/// uint8 [n, h, w, 3] → normalised `dtype` [n, 3, h, w], channels-last: (x / 255 − mean) / deviation with ImageNet's
/// figures. A device may take more channels than 3, or is asked for so many; they are zero.
at::Tensor normalise(const at::Tensor& images, at::ScalarType dtype,
                     std::optional<std::int64_t> channels = std::nullopt);

}  // namespace resnet_torch::model
