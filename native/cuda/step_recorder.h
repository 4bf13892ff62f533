#pragma once

#include <memory>

#include "train/step_kernels.h"

namespace resnet_torch::cuda {

/// Records steps as CUDA graphs, on a stream of its own, each in a pool of memory of its own.
std::unique_ptr<train::StepRecorder> makeStepRecorder(at::Device device);

}  // namespace resnet_torch::cuda
