#pragma once

#include "model/aten.h"

namespace resnet_torch::model {

/// How a convolution goes over its input.
struct ConvolutionSteps {
  std::int64_t stride = 1, padding = 0, groups = 1;
};

/// Gradients of y = conv2d(x, weight) from that of y, all channels-last: of x where `wantInput`, of the weight where
/// `wantWeight`. The weight's comes in the weight's dtype or, where our own kernel sums it up, in float32.
struct ConvolutionGradients {
  at::Tensor input, weight;
};
ConvolutionGradients convolutionGradients(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                                          const ConvolutionSteps& steps, bool wantInput, bool wantWeight);

}  // namespace resnet_torch::model
