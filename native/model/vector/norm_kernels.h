#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <type_traits>

namespace resnet_torch::model {

/// What sums and factors are kept in: float32 for bfloat16 and float32 values, float64 for float64.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// One operand of a forward sweep: the values [rows, channels], and the factors by channel that normalise them.
/// Without factors the values stand as they are.
template <class T>
struct Operand {
  const T* values = nullptr;
  const Wide<T>* scale = nullptr;
  const Wide<T>* shift = nullptr;
};

/// One sweep of a backward pass over [rows, channels] that sums up what BatchNorm's gradient needs.
template <class T>
struct GradientSums {
  const T* dy = nullptr;
  const T* dySecond = nullptr;  ///< added to dy; may be null
  const T* output = nullptr;    ///< of the ReLU, which is open where this is positive
  const T* x = nullptr;         ///< input of the BatchNorm; may be null
  const Wide<T>* mean = nullptr;
  const T* z = nullptr;  ///< input of the other branch's BatchNorm; may be null
  const Wide<T>* zMean = nullptr;
  T* g = nullptr;          ///< receives the gradient behind the ReLU; may be dy
  double* sum = nullptr;   ///< += Σ g
  double* sumX = nullptr;  ///< += Σ g (x − mean)
  double* sumZ = nullptr;  ///< += Σ g (z − zMean)
};

/// Max-pooling 3×3 with stride 2 and padding 1 of relu(scale · x + shift): sizes of its input and output.
struct PoolShape {
  std::int64_t height = 0, width = 0, outHeight = 0, outWidth = 0, channels = 0;
};

/// Sweeps over memory for BatchNorm, ReLU and addition in channels-last layout. `channels` is a multiple of 32, at
/// most 2048. Sums by channel are added to, so that a caller may split the rows between threads.
template <class T>
struct NormKernels {
  using A = Wide<T>;

  /// sum += Σ (x − origin), square += Σ (x − origin)².
  void (*moments)(const T* x, std::int64_t rows, std::int64_t channels, const A* origin, double* sum, double* square);
  /// y = relu(scale · x + shift) + …: the operands added, then max(·, 0). `z.values` may be null.
  void (*apply)(Operand<T> x, Operand<T> z, std::int64_t rows, std::int64_t channels, T* y);
  /// With g = dy where scale · x + shift > 0: sum += Σ g, sumX += Σ g (x − mean).
  void (*reluSums)(const T* dy, Operand<T> x, const A* mean, std::int64_t rows, std::int64_t channels, double* sum,
                   double* sumX);
  /// dx = scale · g + slope · x + offset, with the same g; dx may be dy.
  void (*reluGradient)(const T* dy, Operand<T> x, const A* slope, const A* offset, std::int64_t rows,
                       std::int64_t channels, T* dx);
  void (*sums)(const GradientSums<T>& pass, std::int64_t rows, std::int64_t channels);
  /// dx = scale · g + slope · x + offset.
  void (*gradient)(const T* g, const T* x, const A* scale, const A* slope, const A* offset, std::int64_t rows,
                   std::int64_t channels, T* dx);
  /// Rows of the output of max-pooling: `first` … `last` − 1 of images · outHeight. `places` gets the position of the
  /// maximum in its window (0 to 8), or 255 where the output is 0; it may be null.
  void (*pool)(Operand<T> x, const PoolShape& shape, std::int64_t first, std::int64_t last, T* y,
               std::uint8_t* places);
  /// Rows of its input: g = the gradient behind the ReLU; sum += Σ g, and where x is given sumX += Σ g (x − mean).
  void (*poolSums)(const T* dy, const std::uint8_t* places, const T* x, const A* mean, const PoolShape& shape,
                   std::int64_t first, std::int64_t last, T* g, double* sum, double* sumX);
};

struct KernelTable {
  NormKernels<double> float64;
  NormKernels<float> float32;
  NormKernels<c10::BFloat16> bfloat16;
};

/// The same code, compiled for several instruction sets: on x86-64 all are there, elsewhere the first.
const KernelTable* kernelsDefault();
const KernelTable* kernelsAvx2();
const KernelTable* kernelsAvx512();
const KernelTable* kernelsAvx512Bf16();

}  // namespace resnet_torch::model
