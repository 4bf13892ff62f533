#pragma once

#include <emulator.h>

#include <cstdlib>
#include <new>

/// Where the kernels' tests run: here, in the emulator.
namespace platform {

inline void begin(unsigned seed) {
  emulator::random().seed(seed);
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

inline void end() {}

}  // namespace platform
