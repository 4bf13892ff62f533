#pragma once

#include <ATen/ATen.h>

#include <functional>

#include "cuda/loss.h"
#include "train/losses/loss.h"

namespace resnet_torch::cuda {

/// What a loss is launched on, in device memory.
struct LossCall {
  const at::Tensor& logits;   ///< [n, c], contiguous
  const at::Tensor& indices;  ///< int64 [n]
  const float* gradientScale = nullptr;
  BatchResult* results = nullptr;
  const int* slot = nullptr;
};
/// Answers the gradient by the logits.
using LossLauncher = std::function<at::Tensor(const LossCall&)>;

/// The kernels of a loss, with what they need of it on the device.
LossLauncher lossLauncher(const train::LossSettings& settings, at::Device device);

}  // namespace resnet_torch::cuda
