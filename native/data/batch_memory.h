#pragma once

#include <cstddef>

namespace resnet_torch::data {

/// Memory of batches, kept from one to the next: given back to the system, its pages would return zeroed, and the
/// page faults of a batch take a tenth of the time of decoding it. What is free is kept while there is a loader.
class BatchMemory {
 public:
  /// Blocks of at least so much are kept.
  static constexpr std::size_t kLeast = std::size_t{1} << 20;

  /// Aligned for any type. Throws std::bad_alloc.
  static void* take(std::size_t bytes);
  /// As many bytes as were taken.
  static void give(void* memory, std::size_t bytes) noexcept;

  /// While one of these is there, what is given is kept.
  class Scope {
   public:
    Scope();
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };
};

}  // namespace resnet_torch::data
