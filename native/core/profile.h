#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace resnet_torch {

/// What ran under one name: a device's kernels and copies, or operations on this thread, each without those that it
/// called.
struct Profiled {
  std::string name;
  bool onDevice = false;
  std::int64_t count = 0;
  std::int64_t nanoseconds = 0;
};

/// Begins to record the operations of this thread, or with `device` what CUDA devices do meanwhile, and nothing else:
/// recording operations slows the thread that launches, and a device would wait for it. What is recorded tells
/// shares, not speed. Throws where something is being recorded already.
void beginProfile(bool device);

/// Ends it, and answers sums by name, the largest first. Must be called on the same thread.
std::vector<Profiled> endProfile();

}  // namespace resnet_torch
