#pragma once

#include "model/aten.h"

namespace resnet_torch::model {

/// How a tensor begins: normal of this deviation, uniform within ±this, or all this; nothing for what is filled
/// already. By torchvision's scheme, in which no BatchNorm's scale begins as zero (zero_init_residual=False).
struct InitialValues {
  enum class Kind { kFilled, kNormal, kUniform, kConstant } kind = Kind::kFilled;
  double spread = 0;

  /// torch.nn.init.kaiming_normal_(mode="fan_out", nonlinearity="relu") of a weight [out, in / groups, k, k], which
  /// takes no notice of groups.
  static InitialValues ofConvolution(std::int64_t out, std::int64_t kernel);
  /// torch.nn.Linear's default, of weight and bias.
  static InitialValues ofLinear(std::int64_t in);
  static InitialValues constant(double value) { return {Kind::kConstant, value}; }
};

/// Fills a tensor. Random values depend on the seed and the tensor's place in the state dict alone, and are the same
/// in either dtype.
void fill(const at::Tensor& tensor, const InitialValues& values, std::uint64_t seed, std::size_t place);

}  // namespace resnet_torch::model
