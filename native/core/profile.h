#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace resnet_torch {

/// What ran under one name: operations on this thread, each without those that it called, or a device's kernels and
/// copies.
struct Profiled {
  std::string name;
  bool onDevice = false;
  std::int64_t count = 0;
  std::int64_t nanoseconds = 0;
};

/// Begins to record the operations of this thread, and with `device` what CUDA devices do meanwhile. It costs time:
/// what is recorded tells shares, not speed. Throws where something is being recorded already.
void beginProfile(bool device);

/// Ends it, and answers sums by name, the largest first. Must be called on the same thread.
std::vector<Profiled> endProfile();

}  // namespace resnet_torch
