#pragma once

#include "model/aten.h"

#include <span>

#include "model/fused_ops.h"

namespace resnet_torch::model {

/// A convolution's weight and bias with a BatchNorm in evaluation mode folded in.
struct FoldedWeight {
  at::Tensor weight, bias;  ///< in the dtype computed in
  at::Tensor shift;         ///< the bias in float32
};

/// The way back: from the gradient of the folded weight, undefined where nobody asks for what comes of it, and the
/// sum by channel of the gradient behind it. Undefined ones of the last three are not asked for.
struct FoldedBackward {
  const Convolution* convolution = nullptr;
  const BatchNorm* norm = nullptr;
  at::Tensor gradient, sum;
  at::Tensor weightGradient, scaleGradient, biasGradient;
};

/// A convolution's gradient and the parameter's own, which it is to be written to. The first may be of another dtype
/// and of more input channels.
struct GradientCopy {
  at::Tensor gradient, to;
};

/// The sweeps of fused_ops.h and the normalisation of bytes on a device of another kind than the CPU. Whoever brings
/// a device's kernels registers them; the functions of fused_ops.h ask for them by the device of their values.
struct DeviceKernels {
  NormState (*batchStatistics)(const at::Tensor& x, const BatchNorm& norm) = nullptr;
  void (*updateRunning)(std::span<const BatchMoments> batches, const at::Tensor& skip) = nullptr;
  at::Tensor (*normAddRelu)(const at::Tensor& x, const NormState& state, const at::Tensor& z, const NormState* zState,
                            at::Tensor* mask) = nullptr;
  AffineGradients (*normReluBackward)(at::Tensor& dy, const at::Tensor& x, const NormState& state,
                                      const AffineGradients& place) = nullptr;
  AddReluSums (*addReluBackward)(at::Tensor& dy, const at::Tensor& dySecond, const at::Tensor& opened,
                                 const Branch& x, const Branch& z, const AddReluSums& place) = nullptr;
  at::Tensor (*normBackward)(const at::Tensor& g, const at::Tensor& x, const NormState& state,
                             const AffineGradients& sums) = nullptr;
  at::Tensor (*normReluPool)(const at::Tensor& x, const NormState& state, at::Tensor* places) = nullptr;
  PoolBackward (*normReluPoolBackward)(const at::Tensor& dy, const at::Tensor& places, const at::Tensor& x,
                                       const NormState* state, const AffineGradients& place) = nullptr;
  /// Of a model in float32. With `second`, the shift of another BatchNorm is added to the bias.
  FoldedWeight (*fold)(const Convolution& convolution, const BatchNorm& norm, const BatchNorm* second,
                       at::ScalarType dtype) = nullptr;
  void (*foldedGradients)(const FoldedBackward& pass) = nullptr;
  /// All gradients of a backward pass at once.
  void (*copyGradients)(std::span<const GradientCopy> copies) = nullptr;
  /// uint8 [n, h, w, 3] → normalised `dtype` [n, channels, h, w], channels-last; channels beyond the third are zero.
  at::Tensor (*normalise)(const at::Tensor& bytes, at::ScalarType dtype, std::int64_t channels) = nullptr;
  /// Of images, where nobody asks for another number: what suits the stem's convolution.
  std::int64_t imageChannels = 3;
};

/// Null where none were registered: the CPU's own code serves.
const DeviceKernels* deviceKernels(at::Device device);
/// Before anything is computed on that kind of device; null takes them back. The kernels must outlive their use.
void setDeviceKernels(at::DeviceType type, const DeviceKernels* kernels);

/// A tensor of the host on a device. The host's memory may be used again at once, and nobody waits for what the
/// device does before; the CPU is given the tensor itself.
at::Tensor uploaded(const at::Tensor& values, at::Device device);

}  // namespace resnet_torch::model
