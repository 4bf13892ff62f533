#pragma once

#include <atomic>
#include <string>

#include "core/errors.h"

// What becomes of a kernel that could not be launched, apart from CUDA itself: tests drive it without a device.
namespace resnet_torch::cuda {

/// cudaSuccess and cudaErrorMemoryAllocation.
inline constexpr int kLaunched = 0, kNoMemory = 2;

/// Gives back device memory that is only kept for later. Null: nobody keeps any. Set before the first launch.
inline std::atomic<void (*)()> releaseForLaunch{nullptr};

/// `attempt` launches a kernel and answers its cudaError_t; `words` says what such a number means. CUDA loads a
/// kernel's code when it is first launched, beside all that the allocator keeps: where the device has no memory for
/// it, what is kept is given back, and the launch tried once more. An attempt that answers an error has launched
/// nothing.
template <class Attempt, class Words>
void launchOrThrow(const Attempt& attempt, const Words& words) {
  auto error = attempt();
  if (error == kNoMemory) {
    if (auto* const release = releaseForLaunch.load()) {
      release();
      error = attempt();
    }
  }
  if (error == kLaunched) return;
  if (error == kNoMemory)
    throw Error("ERR_OUT_OF_MEMORY",
                "The device has no memory for the code of a CUDA kernel (" + std::string(words(error)) +
                    "). Use smaller batches or images (--batch-size, --image-size), 16-bit arithmetic (--precision "
                    "bf16 or fp16), freeze more of the network (--freeze-until), or end what else is on the device.");
  throw Error("ERR_INTERNAL", "A CUDA kernel could not be launched: " + std::string(words(error)));
}

}  // namespace resnet_torch::cuda
