#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace resnet_torch {

/// Where Linux tells of control groups, of the first and of the second version.
struct ControlGroupFiles {
  std::string groups = "/proc/self/cgroup";
  std::string second = "/sys/fs/cgroup", first = "/sys/fs/cgroup/memory";
};

/// What control groups say: the least of all limits (memory.max and memory.high; memory.limit_in_bytes) of the
/// process's group and of those around it, and the least that any of them leaves. UINT64_MAX without a limit.
struct ControlGroupMemory {
  std::uint64_t limit = UINT64_MAX, left = UINT64_MAX;
};
ControlGroupMemory controlGroupMemory(const ControlGroupFiles& files = {});

/// Bytes that this process can still use without swapping: what the system says is available, and no more than its
/// control group, and every group around it, has left. Half of the machine's memory where the system does not say.
std::size_t availableMemory(const ControlGroupFiles& files = {});

}  // namespace resnet_torch
