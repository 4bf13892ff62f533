#pragma once

#include <atomic>
#include <memory>

#include "core/errors.h"

namespace resnet_torch {

/// Shared by the caller, who sets it, and the work, which looks between units of work.
class CancelFlag {
 public:
  void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed); }
  void throwIfCancelled() const {
    if (cancelled()) throw abortedError();
  }

 private:
  std::atomic<bool> cancelled_{false};
};

using CancelFlagPtr = std::shared_ptr<CancelFlag>;

}  // namespace resnet_torch
