#pragma once

// Runs CUDA kernels that g++ compiled, so that tests can run them whole without a device. A block's threads are
// fibers of one thread of the system, which give way to each other where they wait for one another: at barriers and
// in warp shuffles. Blocks, and the threads that could go on, are taken in an order drawn from a seed. What CUDA
// leaves undefined is an error here:
//   - a barrier that some thread of the block passes by: because it has ended, or waits elsewhere;
//   - a warp function whose mask lacks its caller, or names a lane that has ended or never comes, or that reads a
//   lane
//     outside the mask;
//   - shared memory that is read before it was written in this block, written and accessed by different threads
//     without a barrier between, or accessed out of bounds;
//   - a block that one of its threads reports to others (atomicInc) before every thread has fenced what it wrote and
//     come to a barrier behind that;
//   - an empty grid, one too large, or parameters too large.
// Warp functions order no accesses to shared memory here, only barriers do.

#include <vector_types.h>

#undef __shared__
#undef __launch_bounds__
#define __launch_bounds__(...)

#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

#include "fibers.h"
#include "missing_barrier.h"
#include "observer.h"
#include "shared.h"

#define RESNET_TORCH_SHARED(type, name, count) static emulator::SharedArray<type, count> name

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;

namespace emulator {

inline constexpr int kWarp = 32;

/// Of one thread: coordinates, which the globals above take on while it runs.
inline uint3 coordinates(unsigned thread, const dim3& block) {
  return {thread % block.x, thread / block.x % block.y, thread / block.x / block.y};
}

struct WarpCall {
  const char* function;
  unsigned mask;
  std::uint64_t value;
  int source;  ///< the lane whose value is the answer
  std::uint64_t answer;
};

/// The block that runs: what its threads wait for.
class Block {
 public:
  explicit Block(unsigned threads) : calls_(threads), barriers_(threads), fences_(threads) {}

  void barrier(const std::source_location& where) {
    if (fibers().ended() > 0) fail("a barrier after some thread of the block has ended");
    auto& own = barriers_[fibers().current()];
    own = where.line();
    if (++atBarrier_ < calls_.size()) return fibers().wait("a barrier");
    for (const auto line : barriers_)
      if (line != own) fail("threads of the block wait at different barriers");
    atBarrier_ = 0;
    ++epochs().now;
    for (unsigned thread = 0; thread < calls_.size(); ++thread)
      if (thread != fibers().current()) fibers().release(thread);
    fibers().giveWay();
  }

  std::uint64_t warpCall(const char* function, unsigned mask, std::uint64_t value, int source) {
    const unsigned thread = fibers().current(), lane = thread % kWarp, first = thread - lane;
    if (!((mask >> lane) & 1)) fail(std::string(function) + ": the mask lacks its caller");
    if (!((mask >> source) & 1)) fail(std::string(function) + ": reads a lane that is not in the mask");
    for (unsigned other = 0; other < kWarp; ++other) {
      if (!((mask >> other) & 1)) continue;
      if (first + other >= calls_.size()) fail(std::string(function) + ": the mask names a lane beyond the block");
      if (fibers().hasEnded(first + other)) fail(std::string(function) + ": the mask names a lane that has ended");
    }
    auto& own = calls_[thread];
    own.waiting = true;
    own.call = {function, mask, value, source, 0};
    if (!complete(first, own.call)) {
      fibers().wait(function);
    } else {
      answer(first, mask);
      for (unsigned other = 0; other < kWarp; ++other)
        if (((mask >> other) & 1) && first + other != thread) fibers().release(first + other);
      fibers().giveWay();
    }
    return own.call.answer;
  }

  unsigned ballot(unsigned mask, bool predicate) {
    const auto thread = fibers().current();
    warpCall("__ballot_sync", mask, predicate, static_cast<int>(thread % kWarp));
    return calls_[thread].votes;
  }

  void fence() { fences_[fibers().current()] = epochs().now; }

  /// The thread speaks for all of its block: what they wrote must be there for others.
  void report() const {
    for (std::size_t thread = 0; thread < fences_.size(); ++thread) {
      if (fences_[thread] < epochs().block)
        fail("a block is reported, of which a thread has fenced no writes so far");
      if (fences_[thread] == epochs().now && thread != fibers().current())
        fail("a block is reported without a barrier between that and the writes of a thread");
    }
  }

  /// A thread has ended: whoever waits for it waits for ever.
  void threadEnds() {
    if (atBarrier_ > 0) fail("a thread ends while others of its block wait at a barrier");
  }

 private:
  struct Lane {
    bool waiting = false;
    WarpCall call{};
    unsigned votes = 0;
  };

  bool complete(unsigned first, const WarpCall& call) const {
    for (unsigned lane = 0; lane < kWarp; ++lane) {
      if (!((call.mask >> lane) & 1)) continue;
      const auto& other = calls_[first + lane];
      const bool same =
          other.waiting && other.call.mask == call.mask && std::strcmp(other.call.function, call.function) == 0;
      if (!same) return false;
    }
    return true;
  }

  void answer(unsigned first, unsigned mask) {
    unsigned votes = 0;
    for (unsigned lane = 0; lane < kWarp; ++lane)
      if (((mask >> lane) & 1) && calls_[first + lane].call.value) votes |= 1U << lane;
    for (unsigned lane = 0; lane < kWarp; ++lane) {
      if (!((mask >> lane) & 1)) continue;
      auto& to = calls_[first + lane];
      to.call.answer = calls_[first + static_cast<unsigned>(to.call.source)].call.value;
      to.votes = votes;
      to.waiting = false;
    }
  }

  std::vector<Lane> calls_;
  std::vector<std::uint_least32_t> barriers_;
  std::vector<std::size_t> fences_;  ///< the epochs of their last ones
  std::size_t atBarrier_ = 0;
};

inline Block*& block() {
  static Block* running = nullptr;
  return running;
}

/// The seed of all orders that are drawn from here on.
inline std::mt19937& random() {
  static std::mt19937 generator(1);
  return generator;
}

template <class Body>
void run(const dim3& grid, const dim3& shape, const Body& body) {
  const auto threads = std::size_t{shape.x} * shape.y * shape.z;
  if (threads == 0 || threads > 1024) throw Fault("a block of " + std::to_string(threads) + " threads");
  const auto blocks = std::size_t{grid.x} * grid.y * grid.z;
  if (blocks == 0 || grid.y > 65535 || grid.z > 65535 || grid.x > 2147483647U) throw Fault("a grid out of range");
  gridDim = grid;
  blockDim = shape;
  std::vector<std::size_t> order(blocks);
  for (std::size_t i = 0; i < blocks; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random());
  for (const auto number : order) {
    blockIdx = {static_cast<unsigned>(number % grid.x), static_cast<unsigned>(number / grid.x % grid.y),
                static_cast<unsigned>(number / grid.x / grid.y)};
    forgetShared();
    Block running(static_cast<unsigned>(threads));
    block() = &running;
    fibers().run(
        static_cast<unsigned>(threads), random(),
        [&shape](unsigned thread) { threadIdx = coordinates(thread, shape); },
        [&] {
          body();
          running.threadEnds();
        });
    block() = nullptr;
  }
}

template <class T>
void appendBytes(std::string& to, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
#if __has_builtin(__builtin_clear_padding)
  if constexpr (std::is_class_v<T>) __builtin_clear_padding(&value);
#endif
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
T shuffle(const char* function, unsigned mask, T value, int source) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = block()->warpCall(function, mask, bits, source);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline int lane() {
  return static_cast<int>(fibers().current() % kWarp);
}

}  // namespace emulator

// CUDA's own names, as far as the kernels use them.

using std::isfinite;
using std::isnan;

inline void __syncthreads(std::source_location where = std::source_location::current()) {
  if (!emulator::isMissing(where)) emulator::block()->barrier(where);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = emulator::kWarp) {
  const int start = emulator::lane() / width * width;
  return emulator::shuffle("__shfl_sync", mask, value, start + source % width);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = emulator::kWarp) {
  const int lane = emulator::lane(), other = lane ^ bits;
  return emulator::shuffle("__shfl_xor_sync", mask, value, other / width > lane / width ? lane : other);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, int by, int width = emulator::kWarp) {
  const int lane = emulator::lane();
  return emulator::shuffle("__shfl_down_sync", mask, value, lane % width + by < width ? lane + by : lane);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return emulator::block()->ballot(mask, predicate != 0);
}

/// Threads take turns before it, so that a sum that depends on their order shows.
template <class T>
T atomicAdd(T* to, std::type_identity_t<T> value) {
  emulator::fibers().giveWay();
  const T before = *to;
  *to = before + value;
  return before;
}

inline void __threadfence() {
  emulator::block()->fence();
}

/// Counts up to `last` and then from 0 again. Kernels use it to report blocks.
inline unsigned atomicInc(unsigned* to, unsigned last) {
  emulator::block()->report();
  const unsigned before = *to;
  *to = before >= last ? 0 : before + 1;
  return before;
}

template <class T>
T __ldcg(const T* from) {
  return *from;
}

namespace resnet_torch::cuda {

template <class... Parameters, class Stream, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, Stream, Arguments... arguments) {
  static_assert((sizeof(Parameters) + ... + std::size_t{0}) <= 4096, "A kernel takes 4 KiB of parameters at most");
  if (emulator::observer()) {
    std::string told;
    emulator::appendBytes(told, kernel);
    emulator::appendBytes(told, grid.x);
    emulator::appendBytes(told, grid.y);
    emulator::appendBytes(told, block.x);
    (emulator::appendBytes(told, static_cast<Parameters>(arguments)), ...);
    emulator::observer()(told);
  }
  if (emulator::idle()) return;
  emulator::run(grid, block, [&] { kernel(static_cast<Parameters>(arguments)...); });
}

}  // namespace resnet_torch::cuda
