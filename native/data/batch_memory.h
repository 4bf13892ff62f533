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

/// Where a loader's batches lie, if not in BatchMemory: memory that a device copies from while the host goes on. May
/// be asked by any thread.
class HostMemory {
 public:
  virtual ~HostMemory() = default;
  /// Aligned for any type. Throws Error(ERR_OUT_OF_MEMORY) where there is none.
  virtual void* take(std::size_t bytes) = 0;
  /// As many bytes as were taken, to which no copy is under way.
  virtual void give(void* memory, std::size_t bytes) noexcept = 0;
};

}  // namespace resnet_torch::data
