#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "stacks.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulator {

/// What CUDA leaves undefined, and a kernel did.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Coroutines that take turns on one thread of the system.
class Fibers {
 public:
  unsigned current() const { return current_; }
  bool hasEnded(unsigned fiber) const { return fibers_[fiber].ended; }
  std::size_t ended() const { return endedCount_; }

  /// Runs `body` in so many fibers to their ends; `enter` is called whenever one of them goes on.
  void run(unsigned count, std::mt19937& random, const std::function<void(unsigned)>& enter,
           const std::function<void()>& body) {
    while (stacks_.size() < count) stacks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kStack));
    fibers_.assign(count, {});
    body_ = &body;
    fault_.clear();
    endedCount_ = 0;
    able_.resize(count);
    for (unsigned i = 0; i < count; ++i) able_[i] = i;
    while (endedCount_ < count) {
      if (able_.empty()) throw Fault("threads wait for ever: " + waiting());
      turn_.swap(able_);
      able_.clear();
      std::shuffle(turn_.begin(), turn_.end(), random);
      for (const auto fiber : turn_) {
        current_ = fiber;
        enter(fiber);
        enterFiber(fiber);
        if (!fault_.empty()) throw Fault(fault_);
      }
    }
  }

  /// The running fiber stops here until another one releases it.
  void wait(const char* forWhat) {
    fibers_[current_].waitsFor = forWhat;
    leaveFiber(/*forGood=*/false);
  }
  void release(unsigned fiber) {
    fibers_[fiber].waitsFor = nullptr;
    able_.push_back(fiber);
  }
  void giveWay() {
    able_.push_back(current_);
    leaveFiber(/*forGood=*/false);
  }

  /// Ends the run with a fault; the fiber that calls is never entered again.
  [[noreturn]] void fail(const std::string& what) {
    fault_ = what + " (thread " + std::to_string(current_) + ")";
    leaveFiber(/*forGood=*/true);
    std::abort();
  }

 private:
  static constexpr std::size_t kStack = 256 << 10;

  struct Fiber {
    Place place;
    bool started = false, ended = false;
    const char* waitsFor = nullptr;
  };

  std::string waiting() const {
    std::string text;
    for (const auto& fiber : fibers_) {
      if (!fiber.waitsFor || text.find(fiber.waitsFor) != std::string::npos) continue;
      text += std::string("some at ") + fiber.waitsFor + ", ";
    }
    return text + std::to_string(endedCount_) + " have ended";
  }

  void enterFiber(unsigned number) {
    auto& fiber = fibers_[number];
    if (!fiber.started) {
      fiber.started = true;
      fiber.place.begin(stacks_[number].get(), kStack, &Fibers::main);
    }
    void* fake = nullptr;
    startSwitch(&fake, stacks_[number].get(), kStack);
    Place::go(scheduler_, fiber.place);
    finishSwitch(fake, nullptr, nullptr);
  }

  void leaveFiber(bool forGood) {
    void* fake = nullptr;
    startSwitch(forGood ? nullptr : &fake, outerStack_, outerSize_);
    Place::go(fibers_[current_].place, scheduler_);
    finishSwitch(fake, nullptr, nullptr);
  }

  static void main();

  void runBody() {
    finishSwitch(nullptr, &outerStack_, &outerSize_);
    (*body_)();
    fibers_[current_].ended = true;
    ++endedCount_;
    leaveFiber(/*forGood=*/true);
  }

#if defined(__SANITIZE_ADDRESS__)
  static void startSwitch(void** fake, const void* stack, std::size_t size) {
    __sanitizer_start_switch_fiber(fake, stack, size);
  }
  static void finishSwitch(void* fake, const void** stack, std::size_t* size) {
    __sanitizer_finish_switch_fiber(fake, stack, size);
  }
#else
  static void startSwitch(void**, const void*, std::size_t) {}
  static void finishSwitch(void*, const void**, std::size_t*) {}
#endif

  std::vector<std::unique_ptr<std::byte[]>> stacks_;
  std::vector<Fiber> fibers_;
  std::vector<unsigned> able_, turn_;  ///< who can go on next, and who has this turn
  Place scheduler_;
  const void* outerStack_ = nullptr;
  std::size_t outerSize_ = 0;
  const std::function<void()>* body_ = nullptr;
  std::string fault_;
  std::size_t endedCount_ = 0;
  unsigned current_ = 0;
};

inline Fibers& fibers() {
  static Fibers all;
  return all;
}

inline void Fibers::main() {
  fibers().runBody();
}

[[noreturn]] inline void fail(const std::string& what) {
  fibers().fail(what);
}

}  // namespace emulator
