#include "cuda/fold.h"

#include "cuda/packet.cuh"
#include "cuda/reduce.cuh"

namespace resnet_torch::cuda {

namespace {

constexpr double kEpsilon = 1e-5;
/// Blocks of a multiprocessor: without it the compiler keeps registers low for the sake of more, and spills.
constexpr int kBlocks = 4;

__device__ __forceinline__ double deviationOf(const EvaluatedNorm& norm, int c) {
  return sqrt(norm.variance[c] + kEpsilon);
}

__device__ __forceinline__ double shiftOf(const EvaluatedNorm& norm, int c) {
  return norm.bias[c] - norm.mean[c] * (norm.weight[c] / deviationOf(norm, c));
}

/// A block an output channel.
template <class T>
__global__ void __launch_bounds__(kThreads, kBlocks) fold(const float* weight, std::int64_t each, EvaluatedNorm norm,
                                                          EvaluatedNorm second, T* folded, T* bias, float* shift) {
  const int c = static_cast<int>(blockIdx.x);
  const double scale = norm.weight[c] / deviationOf(norm, c);
  const auto begin = c * each;
  for (auto i = begin + threadIdx.x; i < begin + each; i += kThreads)
    folded[i] = fromFloat<T>(static_cast<float>(weight[i] * scale));
  if (threadIdx.x != 0) return;
  double sum = shiftOf(norm, c);
  if (second.weight) sum += shiftOf(second, c);
  bias[c] = fromFloat<T>(static_cast<float>(sum));
  shift[c] = static_cast<float>(sum);
}

/// A block an output channel.
template <class T>
__global__ void __launch_bounds__(kThreads, kBlocks)
    unfold(FoldedGradients<T> pass, std::int64_t each, EvaluatedNorm norm) {
  const int c = static_cast<int>(blockIdx.x);
  const double deviation = deviationOf(norm, c);
  const float scale = static_cast<float>(norm.weight[c] / deviation);
  double product = 0;
  if (pass.gradient) {
    const auto begin = c * each;
    for (auto i = begin + threadIdx.x; i < begin + each; i += kThreads) {
      const float raw = toFloat(pass.gradient[i / pass.own * pass.from + i % pass.own]);
      if (pass.scaleGradient) product += static_cast<double>(raw) * pass.weight[i];
      if (pass.weightGradient) pass.weightGradient[i] = raw * scale;
    }
  }
  product = blockSum(product);
  if (threadIdx.x != 0) return;
  const float sum = pass.sum[c];
  if (pass.scaleGradient)
    pass.scaleGradient[c] = static_cast<float>((product - static_cast<double>(norm.mean[c]) * sum) / deviation);
  if (pass.biasGradient) pass.biasGradient[c] = sum;
}

dim3 gridOf(const FoldedShape& shape) {
  require(shape.channels > 0 && shape.each > 0, "A weight without values");
  return dim3(static_cast<unsigned>(shape.channels));
}

}  // namespace

template <class T>
void foldNorm(const float* weight, const FoldedShape& shape, const EvaluatedNorm& norm, const EvaluatedNorm& second,
              T* folded, T* bias, float* shift, const Context& context) {
  launch(fold<T>, gridOf(shape), dim3(kThreads), context.stream, weight, shape.each, norm, second, folded, bias,
         shift);
}

template <class T>
void foldedGradients(const FoldedGradients<T>& pass, const FoldedShape& shape, const EvaluatedNorm& norm,
                     const Context& context) {
  require(pass.own > 0 && pass.from >= pass.own && shape.each % pass.own == 0, "A gradient in runs that do not fit");
  launch(unfold<T>, gridOf(shape), dim3(kThreads), context.stream, pass, shape.each, norm);
}

#define RESNET_TORCH_INSTANTIATE(T)                                                                            \
  template void foldNorm(const float*, const FoldedShape&, const EvaluatedNorm&, const EvaluatedNorm&, T*, T*, \
                         float*, const Context&);                                                              \
  template void foldedGradients(const FoldedGradients<T>&, const FoldedShape&, const EvaluatedNorm&, const Context&);
RESNET_TORCH_INSTANTIATE(float)
RESNET_TORCH_INSTANTIATE(__half)
RESNET_TORCH_INSTANTIATE(__nv_bfloat16)

}  // namespace resnet_torch::cuda
