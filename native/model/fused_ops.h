#pragma once

#include "model/aten.h"

#include <optional>
#include <span>

#include "model/block.h"

namespace resnet_torch::model {

/// What one BatchNorm made of one batch, by channel, float64 for float64 values and float32 for others:
/// norm(x) = scale · x + shift.
struct NormState {
  at::Tensor mean, inverse;  ///< of the batch, inverse = 1 / sqrt(variance + 1e-5)
  at::Tensor scale, shift;
  at::Tensor variance;  ///< unbiased
};

/// Statistics of a batch [n, c, h, w] (channels-last; float64, float32 or bfloat16) as torch.nn.BatchNorm2d takes
/// them in training mode. The running ones are left to updateRunning(), for when the step is known to hold.
NormState batchStatistics(const at::Tensor& x, const BatchNorm& norm);
/// The factors 1 and 0, for values that are normalised already. On a device they are undefined, either of them, which
/// says as much.
NormState identityState(const at::Tensor& x);

/// What a batch adds to a BatchNorm's running statistics: its mean and its unbiased variance.
struct BatchMoments {
  const BatchNorm* norm = nullptr;
  at::Tensor mean, variance;
};
/// Updates running statistics, with momentum 0.1, and the counts of batches; on a device unless `skip`, int32 of one
/// value or undefined, is not 0.
void updateRunning(std::span<const BatchMoments> batches, const at::Tensor& skip);

/// relu(norm(x)).
at::Tensor normRelu(const at::Tensor& x, const NormState& state);
/// relu(norm(x) + z), or with z normalised too. A device sets `mask`, where it is given, to what its backward reads
/// instead of the output: one bit a value.
at::Tensor normAddRelu(const at::Tensor& x, const NormState& state, const at::Tensor& z, const NormState* zState,
                       at::Tensor* mask);

/// Gradients of a BatchNorm's affine parameters, in the statistics' dtype.
struct AffineGradients {
  at::Tensor weight, bias;
};

/// Backward of normRelu: `dy` becomes the gradient of x. `place` here and below is where a device writes such
/// gradients, as far as it is defined; the CPU answers new ones.
AffineGradients normReluBackward(at::Tensor& dy, const at::Tensor& x, const NormState& state,
                                 const AffineGradients& place = {});

/// A branch that ends in an addition: its values before their BatchNorm. Undefined where it needs no sums.
struct Branch {
  at::Tensor values;
  const NormState* state = nullptr;
};

/// First half of the backward of relu(norm(x) + norm(z)), of either or none normalised: `dy`, with `dySecond` added
/// where that is defined, becomes the gradient behind the ReLU. `bias` is its sum, which is both branches' bias
/// gradient. `opened` says where the ReLU was open: its output, or normAddRelu's mask.
struct AddReluSums {
  at::Tensor bias, weight, zWeight;
  at::Tensor zBias;  ///< the same as `bias`, of the other branch's place
};
AddReluSums addReluBackward(at::Tensor& dy, const at::Tensor& dySecond, const at::Tensor& opened, const Branch& x,
                            const Branch& z, const AddReluSums& place = {});
/// Second half: the gradient of x from the gradient g of norm(x).
at::Tensor normBackward(const at::Tensor& g, const at::Tensor& x, const NormState& state,
                        const AffineGradients& sums);

/// Max-pooling 3×3, stride 2, padding 1, of relu(norm(x)), which is never written out. `places`, uint8 like the
/// output, says where each maximum was (255: nowhere, the output is 0); null where no backward follows.
at::Tensor normReluPool(const at::Tensor& x, const NormState& state, at::Tensor* places);
/// Its backward as far as the gradient behind the ReLU; with `state`, the sums of its BatchNorm too.
struct PoolBackward {
  at::Tensor g;
  AffineGradients sums;
};
PoolBackward normReluPoolBackward(const at::Tensor& dy, const at::Tensor& places, const at::Tensor& x,
                                  const NormState* state, const AffineGradients& place = {});

}  // namespace resnet_torch::model
