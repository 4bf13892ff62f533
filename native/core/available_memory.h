#pragma once

#include <cstddef>

namespace resnet_torch {

/// Bytes that this process can still use without swapping: what the system says is available, and no more than its
/// control group has left. Half of the machine's memory where the system does not say.
std::size_t availableMemory();

}  // namespace resnet_torch
