#pragma once

#include <cstdint>

#include "cuda/context.h"

// BatchNorm in evaluation mode, folded into the convolution before it: model/folded_convolution.h and the chain rule
// behind it, each in one launch. T is float, __half or __nv_bfloat16. Products by channel are float64, as on the CPU.
namespace resnet_torch::cuda {

/// A BatchNorm's parameters and running statistics, [channels]: norm(x) = scale · x + shift with
/// scale = weight / √(variance + 1e-5) and shift = bias − mean · scale.
struct EvaluatedNorm {
  const float *weight = nullptr, *bias = nullptr, *mean = nullptr, *variance = nullptr;
};

/// A convolution's weight as it lies in memory: `channels` outputs of `each` values.
struct FoldedShape {
  int channels = 0;
  std::int64_t each = 0;
};

/// folded = weight · scale by output channel, and norm's shift, with that of `second` added where it is given: once
/// rounded to T, and in float32.
template <class T>
void foldNorm(const float* weight, const FoldedShape& shape, const EvaluatedNorm& norm, const EvaluatedNorm& second,
              T* folded, T* bias, float* shift, const Context& context);

/// Backward of foldNorm: from the gradient of the folded weight and `sum` [channels], that of the shift. What is null
/// is not asked for. Values of the gradient lie in runs of `from`, of which a weight has the first `own`: an input of
/// more channels than the weight knows.
template <class T>
struct FoldedGradients {
  const T* gradient = nullptr;
  int from = 1, own = 1;
  const float* sum = nullptr;
  const float* weight = nullptr;  ///< the convolution's
  float* weightGradient = nullptr;
  float *scaleGradient = nullptr, *biasGradient = nullptr;  ///< of the BatchNorm's weight and bias
};
template <class T>
void foldedGradients(const FoldedGradients<T>& pass, const FoldedShape& shape, const EvaluatedNorm& norm,
                     const Context& context);

}  // namespace resnet_torch::cuda
