#pragma once

#include "cuda/channels.cuh"

namespace resnet_torch::cuda {

/// Affine gradients from partials [parts, 1 + kBranches, channels]: Σ g is the bias', Σ g (x − mean) · inverse the
/// weight's, of up to two BatchNorms that end in one addition.
template <int kBranches>
__global__ void __launch_bounds__(kThreads)
    finishGradients(const float* partials, int parts, int channels, const float* firstInverse, float* firstWeight,
                    const float* secondInverse, float* secondWeight, float* bias) {
  double sums[1 + kBranches];
  addPartials(partials, parts, channels, sums);
  const int c = static_cast<int>(blockIdx.x) * kFinishChannels + static_cast<int>(threadIdx.x);
  if (threadIdx.y != 0 || c >= channels) return;
  bias[c] = static_cast<float>(sums[0]);
  if constexpr (kBranches > 0) firstWeight[c] = static_cast<float>(sums[1] * firstInverse[c]);
  if constexpr (kBranches > 1) secondWeight[c] = static_cast<float>(sums[2] * secondInverse[c]);
}

}  // namespace resnet_torch::cuda
