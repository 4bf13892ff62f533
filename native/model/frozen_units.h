#pragma once

#include "model/aten.h"

#include <optional>

#include "model/folded_convolution.h"
#include "model/folded_stem.h"
#include "model/network.h"

namespace resnet_torch::model {

/// Units first … last − 1 of the backbone compiled for inference: BatchNorm in evaluation mode is folded, what
/// follows a convolution (bias, residual addition, ReLU) is one operation with it, and there is no autograd. Holds
/// copies of the weights: what the model learns afterwards does not reach it. Computes in `compute`: the model's
/// dtype or a narrower one. Folded weights that are not finite in it are ERR_NON_FINITE, by their unit.
class FrozenUnits {
 public:
  FrozenUnits(const Network& model, int first, int last, at::ScalarType compute);

  int first() const { return first_; }
  int last() const { return last_; }

  /// The input of unit `first` → the output of unit `last` − 1, channels-last [n, c, h, w]; after the
  /// whole backbone the global average of it, [n, features] in the model's dtype.
  at::Tensor run(const at::Tensor& input);
  /// The output of unit `last` − 1 itself, also after all of them.
  at::Tensor activations(const at::Tensor& input);

 private:
  at::Tensor compute(at::Tensor x);
  at::Tensor shortcut(FoldedConvolution& downsample, const at::Tensor& x) const;

  struct Block {
    std::vector<FoldedConvolution> convolutions;  ///< two or three
    std::optional<FoldedConvolution> downsample;
  };

  int first_, last_;
  bool pools_;  ///< whether `last` ends the backbone
  at::ScalarType modelType_, dtype_;
  bool leavesBiases_;  ///< of shortcuts, to the convolutions that they are added to
  std::optional<FoldedStem> stem_;
  std::vector<Block> blocks_;
};

/// For a message: the first of the units from `first` on whose output for `input` is not finite; empty where it is in
/// all of them. It computes them one by one.
std::string firstUnitNotFinite(const Network& model, int first, const at::Tensor& input, at::ScalarType compute);

}  // namespace resnet_torch::model
