#pragma once

#include "model/aten.h"

#include <utility>

#include "model/block.h"
#include "model/fused_ops.h"

namespace resnet_torch::model {

/// A convolution and the BatchNorm behind it in evaluation mode as one convolution: weight · scale and bias
/// β − mean · scale with scale = γ / √(variance + 1e-5), taken in float64 and rounded once to the dtype it computes
/// in.
class FoldedConvolution {
 public:
  /// `keepWeight`: for those who take gradients of it too. Otherwise the packed form replaces it. With `second`, the
  /// bias is that of both BatchNorms: the other one's convolution, which is to be added, then runs without its own.
  FoldedConvolution(const Convolution& convolution, const BatchNorm& norm, at::ScalarType dtype, bool keepWeight,
                    const BatchNorm* second = nullptr);

  /// conv(x), with `relu` max(conv(x), 0). Runs as one operation of oneDNN, where there is one for this dtype and
  /// processor, or of cuDNN. oneDNN's weights are packed once for a size of input: for single images and for batches,
  /// which oneDNN lays out differently, the size that came last.
  at::Tensor run(const at::Tensor& x, bool relu);
  /// conv(x) without its bias: whoever reads it next adds shift(). cuDNN would add a bias that no ReLU follows in a
  /// pass over the output of its own.
  at::Tensor runPlain(const at::Tensor& x);
  /// `sum` becomes relu(conv(x) + sum); on the CPU it is written over.
  void runInto(const at::Tensor& x, at::Tensor& sum);

  /// [out, channels / groups, k, k], channels-last, as run() uses it with an input of so many channels; only with
  /// `keepWeight`.
  const at::Tensor& weight(std::int64_t channels);
  const at::Tensor& bias() const { return bias_; }
  /// The bias as a normalisation that a device's kernels take: float32, its scale undefined, which is 1.
  NormState shift() const;
  /// Whether all that it computes with is finite in its dtype; before run().
  bool finite() const;

 private:
  const at::Tensor& packed(const at::Tensor& x);
  /// Whether oneDNN's operation serves: it has no weights for images of more channels.
  bool fused(const at::Tensor& x) const;

  at::Tensor weight_, bias_, shift_;
  at::Tensor wideWeight_;  ///< for images of more channels than the weight has
  std::vector<std::int64_t> stride_, padding_;
  std::int64_t inputs_, groups_;
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

/// Whether biases that no ReLU follows are left to what comes next: where a device's kernels take them with what they
/// read anyway. oneDNN adds them in its convolutions at no cost.
bool leavesBiases(at::Device device, at::ScalarType dtype);

}  // namespace resnet_torch::model
