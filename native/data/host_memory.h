#pragma once

#include <cstddef>

namespace resnet_torch::data {

/// Where a loader's batches lie, if not in Pages: memory that a device copies from while the host goes on. May be
/// asked by any thread.
class HostMemory {
 public:
  virtual ~HostMemory() = default;
  /// Aligned for any type. Throws Error(ERR_OUT_OF_MEMORY) where there is none.
  virtual void* take(std::size_t bytes) = 0;
  /// As many bytes as were taken, to which no copy is under way.
  virtual void give(void* memory, std::size_t bytes) noexcept = 0;
};

}  // namespace resnet_torch::data
