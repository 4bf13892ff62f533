#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>

namespace resnet_torch {

/// Large blocks of memory that are kept when they are freed, for tensors, batches, pictures and features alike: given
/// back to the system, pages return zeroed, and page faults then cost more than the arithmetic. What is kept stays
/// within a budget: no more than is left free beside it, of the machine's memory and of what the process's control
/// groups allow. What is freed beyond it goes back to the system, what was not used for long before the rest. Blocks
/// of 2 MiB and more ask for huge pages: one page fault instead of 512, and fewer misses of the address cache. For
/// any number of threads.
class Pages {
 public:
  /// Smaller blocks are malloc's, which keeps their pages anyway.
  static constexpr std::size_t kLeast = 64 * 1024;
  /// Where every block begins.
  static constexpr std::size_t kAlignment = 64;

  /// How much larger than what is asked for a block may be. What is too much is in memory already, where a new
  /// block's pages would have to be zeroed first.
  enum class Fit {
    kLoose,  ///< twice: for what is freed soon. Batches of which a part was cached come in every size
    kTight,  ///< a sixteenth: for what stays
  };

  /// The process's own. Never destroyed: tensors may be freed after static destructors have run.
  static Pages& ofProcess();

  /// `available`: bytes that the process can still use (availableMemory()), which is asked for again after `refresh`.
  explicit Pages(std::function<std::size_t()> available, std::chrono::nanoseconds refresh = std::chrono::seconds(1));
  ~Pages() { release(); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  /// At least so many bytes, their contents anything. Throws std::bad_alloc.
  void* take(std::size_t bytes, Fit fit = Fit::kLoose);
  /// What take() gave; null is nothing.
  void give(void* memory) noexcept;
  /// Gives everything that is kept back to the system.
  void release() noexcept;

  /// While one of these is there, what is given is kept; the last one to go releases it.
  class Keeping {
   public:
    explicit Keeping(Pages& pages = ofProcess());
    ~Keeping();
    Keeping(const Keeping&) = delete;
    Keeping& operator=(const Keeping&) = delete;

   private:
    Pages& pages_;
  };

  struct Usage {
    std::size_t used = 0, kept = 0, budget = 0;  ///< bytes of blocks of kLeast and more
  };
  Usage usage() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Block;
  struct Kept {
    Block* block;
    Clock::time_point since;
  };

  static Block* fresh(std::size_t size) noexcept;
  static void discard(Block* chain) noexcept;

  // With the mutex held.
  void refreshBudget(Clock::time_point now);
  std::size_t budget() const;
  Block* takeKept(std::size_t size, Fit fit);
  /// Takes the block that is kept longest, if it is kept since then or longer.
  Block* takeOldest(Clock::time_point then);
  Block* shrinkTo(std::size_t bytes, Clock::time_point then, Block* chain);

  const std::function<std::size_t()> available_;
  const std::chrono::nanoseconds refresh_;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::deque<Kept>> free_;  ///< by size, the newest last; none is empty
  std::size_t used_ = 0, kept_ = 0;
  std::size_t reach_ = 0;  ///< used_ and kept_ and what was available beside them
  Clock::time_point asked_{};
  int keeping_ = 0;
};

}  // namespace resnet_torch
