#pragma once

#include "data/loader.h"

namespace resnet_torch::data {

/// The images of a batch as float32 [count, 3, size, size]: (x / 255 − mean) / deviation with ImageNet's figures,
/// each operation rounded to float32, as tensor arithmetic does it.
Buffer<float> normalised(const Batch& batch);

}  // namespace resnet_torch::data
