#pragma once

#include "train/device_feed.h"

namespace resnet_torch::cuda {

/// What a device has now, and in all; what the allocator keeps for later counts as taken.
train::DeviceMemory deviceMemory(at::Device device);

}  // namespace resnet_torch::cuda
