#pragma once

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {

/// A place in a program that another stack can be left for, and that is come back to.
///
/// `swapcontext` keeps the signal mask, which takes two calls of the system: most of the time of kernels whose
/// threads take turns at every barrier. Where its processor is known, only the registers that a call keeps are kept.
class Place {
 public:
#if defined(__x86_64__)
  /// Is at the beginning of `body`, which never returns, on this stack. What an earlier body left there may be marked
  /// as out of bounds still.
  [[gnu::no_sanitize("address", "undefined")]] void begin(std::byte* stack, std::size_t size, void (*body)()) {
    constexpr int kRegisters = 6;
    const auto end = (reinterpret_cast<std::uintptr_t>(stack) + size) / 16 * 16;
    auto* top = reinterpret_cast<void**>(end) - 1;
    *top = nullptr;
    *--top = reinterpret_cast<void*>(body);
    for (int i = 0; i < kRegisters; ++i) *--top = nullptr;
    stack_ = top;
  }

  static void go(Place& from, const Place& to) { exchange(&from.stack_, to.stack_); }

 private:
  [[gnu::naked, gnu::noinline]] static void exchange([[maybe_unused]] void** from, [[maybe_unused]] void* to) {
    asm("pushq %rbp\n\t"
        "pushq %rbx\n\t"
        "pushq %r12\n\t"
        "pushq %r13\n\t"
        "pushq %r14\n\t"
        "pushq %r15\n\t"
        "movq %rsp, (%rdi)\n\t"
        "movq %rsi, %rsp\n\t"
        "popq %r15\n\t"
        "popq %r14\n\t"
        "popq %r13\n\t"
        "popq %r12\n\t"
        "popq %rbx\n\t"
        "popq %rbp\n\t"
        "ret");
  }

  void* stack_ = nullptr;
#else
  void begin(std::byte* stack, std::size_t size, void (*body)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = size;
    context_.uc_link = nullptr;
    makecontext(&context_, body, 0);
  }

  static void go(Place& from, const Place& to) { swapcontext(&from.context_, &to.context_); }

 private:
  ucontext_t context_{};
#endif
};

}  // namespace emulator
