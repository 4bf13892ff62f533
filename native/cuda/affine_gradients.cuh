#pragma once

#include "cuda/channels.cuh"

namespace resnet_torch::cuda {

/// Where affine gradients go, of up to two BatchNorms that end in one addition: Σ g is the bias', Σ g (x − mean) ·
/// inverse the weight's.
template <int kBranches>
struct AffineSums {
  const float *inverse = nullptr, *secondInverse = nullptr;
  float *weight = nullptr, *secondWeight = nullptr;
  float *bias = nullptr, *secondBias = nullptr;  ///< the second may be null

  /// From the sums of g and of g (x − mean) of each branch.
  __device__ __forceinline__ void write(int c, const double (&sums)[1 + kBranches]) const {
    bias[c] = static_cast<float>(sums[0]);
    if (secondBias) secondBias[c] = static_cast<float>(sums[0]);
    if constexpr (kBranches > 0) weight[c] = static_cast<float>(sums[1] * inverse[c]);
    if constexpr (kBranches > 1) secondWeight[c] = static_cast<float>(sums[2] * secondInverse[c]);
  }
};

}  // namespace resnet_torch::cuda
