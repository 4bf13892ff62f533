#pragma once

#include <functional>
#include <string>

namespace emulator {

/// Told of every launch before it runs, where a test wants to know: the kernel, the grid and all arguments, bytes
/// that are equal for equal launches.
inline std::function<void(const std::string& launch)>& observer() {
  static std::function<void(const std::string&)> told;
  return told;
}

/// Whether launches are told of alone, and nothing runs: for tests that count them.
inline bool& idle() {
  static bool only = false;
  return only;
}

}  // namespace emulator
