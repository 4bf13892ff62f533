#pragma once

#include <emulator.h>

#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>

/// Where the kernels' tests run: here, in the emulator.
namespace platform {

inline void begin(unsigned seed) {
  emulator::random().seed(seed);
}

/// Runs kernels without the barrier of `place`, as in `reduce.cuh:20`.
inline void leaveOutBarrier(const std::string& place) {
  const auto colon = place.find(':');
  emulator::missingBarrier() = {place.substr(0, colon), static_cast<unsigned>(std::stoul(place.substr(colon + 1)))};
}

/// Exactly so many bytes, so that AddressSanitizer sees what goes beyond.
inline void* allocate(std::size_t bytes) {
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (!memory) throw std::bad_alloc();
  return memory;
}
inline void release(void* memory) {
  std::free(memory);
}

inline void end() {
  const auto& missing = emulator::missingBarrier();
  if (!missing.file.empty() && !missing.met) throw std::runtime_error("no kernel came to the barrier");
}

}  // namespace platform
