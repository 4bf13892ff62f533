#pragma once

#include <ATen/core/TensorBody.h>

#include <mutex>

namespace resnet_torch::cuda {

/// Makes a device the current one of the thread that calls, with its context: whatever the thread asks of CUDA
/// without naming a device is asked of this one, and no context is made on another.
void useDevice(at::Device device);

/// Gives back what PyTorch keeps for later: memory of all devices that nobody holds, and pinned memory of the host.
/// Does nothing while a graph is being recorded, which allows no such thing on any device.
void releaseDeviceMemory();

/// Held by whoever records a graph, from the last emptying of caches to the end of the recording.
std::unique_lock<std::mutex> lockRecording();

}  // namespace resnet_torch::cuda
