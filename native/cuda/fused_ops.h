#pragma once

#include "model/device_kernels.h"

namespace resnet_torch::cuda {

/// model/fused_ops.h over the kernels of this folder.
extern const model::DeviceKernels kFusedOps;

}  // namespace resnet_torch::cuda
