#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cuda/context.h"

// BatchNorm, ReLU and addition in channels-last layout: the device's side of model/fused_ops.h. T is float, __half or
// __nv_bfloat16; sums, factors and arithmetic are float32. Pointers are device memory; values that lie 16-byte
// aligned in whole packets of 8 channels go through memory in packets. Nothing is launched where there are no rows.
namespace resnet_torch::cuda {

/// What one BatchNorm made of one batch, by channel: norm(x) = scale · x + shift.
struct NormState {
  float *mean = nullptr, *inverse = nullptr;  ///< of the batch; inverse = 1 / sqrt(variance + 1e-5)
  float* variance = nullptr;                  ///< unbiased, for the running one
  float *scale = nullptr, *shift = nullptr;
};

/// Where the blocks of a sum meet. What a kernel with sums leaves there the next one of its stream may write over.
struct Workspace {
  float* partials = nullptr;  ///< normWorkspace() floats, 16-byte aligned
  /// kMostColumns counts, 0 at first; every kernel leaves them 0. Kernels that may run at the same time have their
  /// own.
  unsigned* arrivals = nullptr;
};
inline constexpr int kMostColumns = 512;

/// Floats of a Workspace for values of this size.
std::size_t normWorkspace(const Sizes& sizes, const Context& context);

/// Statistics of a batch of 2 rows or more. Deviations are taken from the first row, so that a mean far from zero
/// costs no digits. The running statistics are left to updateRunning.
template <class T>
void batchStatistics(const T* x, const Sizes& sizes, const float* weight, const float* bias, const NormState& state,
                     const Workspace& workspace, const Context& context);

/// running ← 0.9 · running + 0.1 · batch, and one more batch counted.
struct RunningUpdate {
  const float *mean, *variance;
  float *runningMean, *runningVar;
  std::int64_t* batchesTracked;
  int channels;
};
/// All BatchNorms of a step, any number of them and 64 a launch, after it is known whether the step holds: nothing
/// changes where `skip` is given and not 0.
void updateRunning(std::span<const RunningUpdate> updates, const int* skip, const Context& context);

/// Values and the factors by channel that normalise them; either may be null, for 1 and 0.
template <class T>
struct Operand {
  const T* values = nullptr;
  const float *scale = nullptr, *shift = nullptr;
};

/// y = relu(norm(x) + norm(z)); `z.values` may be null. `mask` [rows, ceil(channels / 8)], for the backward pass,
/// says where y is positive, bit c % 8 of byte c / 8; it may be null.
template <class T>
void normAddRelu(const Operand<T>& x, const Operand<T>& z, const Sizes& sizes, T* y, std::uint8_t* mask,
                 const Context& context);

struct AffineGradients {
  float *weight = nullptr, *bias = nullptr;
};

/// Backward of relu(norm(x)): `dy` becomes the gradient of x.
template <class T>
void normReluBackward(T* dy, const T* x, const Sizes& sizes, const NormState& state, const AffineGradients& sums,
                      const Workspace& workspace, const Context& context);

/// A branch that ends in an addition: the values before its BatchNorm. Without values it needs no sums.
template <class T>
struct Branch {
  const T* values = nullptr;
  const float *mean = nullptr, *inverse = nullptr;
  float* weight = nullptr;  ///< receives the gradient of its BatchNorm's weight
};

/// First half of the backward of relu(norm(x) + norm(z)): g = dy, with `dySecond` added where that is given, where
/// the ReLU was open. `bias` receives its sum, which is both branches' bias gradient. In evaluation mode, where
/// BatchNorm is folded away, both branches are empty.
template <class T>
struct AddReluBackward {
  const T* dy = nullptr;
  const T* dySecond = nullptr;
  const std::uint8_t* mask = nullptr;  ///< of normAddRelu, or null
  const T* output = nullptr;           ///< of the ReLU, which is open where it is positive; used without a mask
  T* g = nullptr;                      ///< may be dy
  Branch<T> x, z;
  float* bias = nullptr;
  float* zBias = nullptr;  ///< receives the same; may be null
};
template <class T>
void addReluBackward(const AddReluBackward<T>& pass, const Sizes& sizes, const Workspace& workspace,
                     const Context& context);

/// Second half: the gradient of x from the gradient g of norm(x) and the affine gradients. `dx` may be g.
template <class T>
void normBackward(const T* g, const T* x, const Sizes& sizes, const NormState& state, const AffineGradients& sums,
                  T* dx, const Context& context);

}  // namespace resnet_torch::cuda
