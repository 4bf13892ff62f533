#pragma once

#include <memory>

#include "train/device_step.h"

namespace resnet_torch::cuda {

/// Records steps as CUDA graphs, on a stream of its own and in one pool of memory.
std::unique_ptr<train::StepRecorder> makeStepRecorder(at::Device device);

}  // namespace resnet_torch::cuda
