#pragma once

#include <cstdint>
#include <span>

#include "cuda/context.h"
#include "cuda/optimizer.h"

namespace resnet_torch::cuda {

/// A gradient as a convolution wrote it, on its way to where the optimizer takes it. Values lie in runs of `from`, of
/// which `own` go: those of the channels that the weight has.
struct GradientCopy {
  const void* gradient = nullptr;
  float* to = nullptr;
  std::int64_t size = 0;  ///< values of `to`
  Storage storage = Storage::kFloat32;
  std::int32_t from = 1, own = 1;
};

/// Any number of them, 64 a launch.
void copyGradients(std::span<const GradientCopy> copies, const Context& context);

}  // namespace resnet_torch::cuda
