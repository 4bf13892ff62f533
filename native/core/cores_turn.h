#pragma once

#include <functional>

namespace resnet_torch {

/// Whose turn it is on the processor's cores. Tensor work runs on all of them in step: a thread that takes one core
/// from it for a moment makes the others wait, so that decoding beside it costs several times its own time. An
/// executor of the CPU has the turn while it computes, and gives it back when it waits or has nothing to do.
class CoresTurn {
 public:
  /// Whether tensor work computes on the processor now.
  static bool taken();

  /// Asks to be called, from the executor's thread, whenever the turn was given back, as long as this is there. The
  /// call must not wait, nor make or destroy one of these.
  class Listener {
   public:
    explicit Listener(std::function<void()> given);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

   private:
    std::function<void()> given_;
    friend class CoresTurn;
  };

  /// For the executor.
  static void take();
  static void give();
};

}  // namespace resnet_torch
