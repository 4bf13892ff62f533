#pragma once

#include "model/aten.h"

namespace resnet_torch::model {

/// Gradients of y = conv2d(x, weight) from that of y, all channels-last: of x where `wantInput`, of the weight where
/// `wantWeight`. Where it is faster, the weight's gradient is taken as one matrix product.
struct ConvolutionGradients {
  at::Tensor input, weight;
};
ConvolutionGradients convolutionGradients(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                                          std::int64_t stride, std::int64_t padding, bool wantInput, bool wantWeight);

}  // namespace resnet_torch::model
