#pragma once

#include "cuda/context.h"

namespace resnet_torch::cuda {

/// (x / 255 − mean) / deviation with ImageNet's figures, step by step in float32 as model::normalise takes them,
/// rounded once to T (float, __half, __nv_bfloat16): bytes [pixels, 3] → values [pixels, channels], which for whole
/// images is a channels-last tensor. `channels` is 3, or 4 with zeros in the fourth.
template <class T>
void normaliseImages(const std::uint8_t* bytes, std::int64_t pixels, int channels, T* values, const Context& context);

}  // namespace resnet_torch::cuda
