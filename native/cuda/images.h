#pragma once

#include "cuda/context.h"

namespace resnet_torch::cuda {

/// Bytes [images, height, width, 3], and which images are mirrored.
struct ImageBatch {
  const std::uint8_t* pixels = nullptr;
  const std::uint8_t* flips = nullptr;  ///< [images], not 0 for a mirrored one; null for none
  std::int64_t images = 0;
  int height = 0, width = 0;
};

/// (x / 255 − mean) / deviation with ImageNet's figures, step by step in float32 as model::normalise takes them,
/// rounded once to T (float, __half, __nv_bfloat16): values [images, height, width, channels], which is a
/// channels-last tensor. `channels` is 3, or 4 with zeros in the fourth.
template <class T>
void normaliseImages(const ImageBatch& batch, int channels, T* values, const Context& context);

}  // namespace resnet_torch::cuda
