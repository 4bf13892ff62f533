#pragma once

#include "cuda/norm.h"

namespace resnet_torch::cuda {

/// Max-pooling 3×3 with stride 2 and padding 1: sizes of its input and output, channels-last.
struct PoolShape {
  std::int64_t images = 0;
  int height = 0, width = 0, channels = 0;

  int outHeight() const { return (height - 1) / 2 + 1; }
  int outWidth() const { return (width - 1) / 2 + 1; }
  Sizes input() const { return {images * height * width, channels}; }
  Sizes output() const { return {images * outHeight() * outWidth(), channels}; }
};

/// Pools relu(norm(x)), which is never written out. `places`, like y, says where in
/// its window each maximum was, 0 to 8, or 255 where y is 0: what is not a number wins, the first of equals too. It
/// may be null.
template <class T>
void normReluPool(const Operand<T>& x, const PoolShape& shape, T* y, std::uint8_t* places, const Context& context);

/// Its backward as far as the gradient g behind the ReLU: each input gathers from the windows that it won. `bias`
/// receives the sum of g, and where `branch` has values its weight's gradient is written too. `workspace` is
/// of normWorkspace(shape.input()).
template <class T>
void normReluPoolBackward(const T* dy, const std::uint8_t* places, const PoolShape& shape, T* g,
                          const Branch<T>& branch, float* bias, const Workspace& workspace, const Context& context);

}  // namespace resnet_torch::cuda
