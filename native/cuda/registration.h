#pragma once

namespace resnet_torch::cuda {

/// Has models and sessions on CUDA devices computed with the kernels of this folder, and float32 products of TF32.
/// Needs no device.
void registerKernels();

}  // namespace resnet_torch::cuda
