#pragma once

#include "model/aten.h"

#include <utility>

#include "model/resnet50.h"

namespace resnet_torch::model {

/// A convolution and the BatchNorm behind it in evaluation mode as one convolution: weight · scale and bias
/// β − mean · scale with scale = γ / √(variance + 1e-5), taken in float64 and rounded once to the dtype it computes
/// in.
class FoldedConvolution {
 public:
  /// `keepWeight`: for those who take gradients of it too. Otherwise the packed form replaces it.
  FoldedConvolution(const Convolution& convolution, const BatchNorm& norm, at::ScalarType dtype, bool keepWeight);

  /// conv(x), with `relu` max(conv(x), 0). Runs as one operation of oneDNN, where there is one for this dtype and
  /// processor, or of cuDNN. oneDNN's weights are packed once for a size of input: for single images and for batches,
  /// which oneDNN lays out differently, the size that came last.
  at::Tensor run(const at::Tensor& x, bool relu);
  /// `sum` becomes relu(conv(x) + sum); on the CPU it is written over.
  void runInto(const at::Tensor& x, at::Tensor& sum);

  /// [out, channels, k, k], channels-last, as run() uses it with an input of so many channels; only with
  /// `keepWeight`.
  const at::Tensor& weight(std::int64_t channels);
  const at::Tensor& bias() const { return bias_; }

 private:
  const at::Tensor& packed(const at::Tensor& x);
  /// Whether oneDNN's operation serves: it has no weights for images of more channels.
  bool fused(const at::Tensor& x) const;

  at::Tensor weight_, bias_;
  at::Tensor wideWeight_;  ///< for images of more channels than the weight has
  std::vector<std::int64_t> stride_, padding_;
  std::int64_t inputs_;
  bool fused_;
  bool keepWeight_;
  struct Packed {
    at::Tensor weight;
    std::int64_t height = 0, width = 0;  ///< of the input
  };
  Packed forSingle_, forBatch_;
};

/// γ / √(variance + 1e-5), by channel in float64.
at::Tensor foldingScale(const BatchNorm& norm);

}  // namespace resnet_torch::model
