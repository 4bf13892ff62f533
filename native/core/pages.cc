#include "core/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#include "core/available_memory.h"

namespace resnet_torch {

namespace {

constexpr std::size_t kHugePage = std::size_t{1} << 21;
/// Sizes are rounded to a sixteenth of their power of two, so that a block serves slightly different requests.
constexpr std::size_t kStepsPerOctave = 16;
/// What was not asked for in so long is of a batch's shape that does not come any more, and the first to go.
constexpr auto kStale = std::chrono::seconds(10);

std::size_t roundedUp(std::size_t bytes, std::size_t step) {
  return (bytes + step - 1) / step * step;
}

std::size_t pageSize() {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

std::size_t largestFit(std::size_t size, Pages::Fit fit) {
  return fit == Pages::Fit::kLoose ? 2 * size : size + size / kStepsPerOctave;
}

/// `bytes`, whole pages, on huge pages where the system has them; null where it has no memory at all. From the system
/// itself, which malloc would not give all of it back to.
void* mapHuge(std::size_t bytes) noexcept {
  const std::size_t room = bytes + kHugePage - pageSize();
  void* const mapped = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::uint8_t*>(mapped);
  const auto lead = (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
  if (lead > 0) munmap(begin, lead);
  if (room > lead + bytes) munmap(begin + lead + bytes, room - lead - bytes);
#ifdef MADV_HUGEPAGE
  madvise(begin + lead, bytes, MADV_HUGEPAGE);  // advice: where it is not taken, small pages serve
#endif
  return begin + lead;
}

}  // namespace

/// In front of every block: libtorch frees by the pointer alone, so the size must be found from it.
struct alignas(Pages::kAlignment) Pages::Block {
  std::size_t size = 0;    ///< behind this; 0: too small to be kept
  std::size_t mapped = 0;  ///< bytes that the system gave, this among them; 0: malloc's
  Block* next = nullptr;   ///< of a chain
};

Pages& Pages::ofProcess() {
  static auto* const pages = new Pages([] { return availableMemory(); });
  return *pages;
}

Pages::Pages(std::function<std::size_t()> available, std::chrono::nanoseconds refresh)
    : available_(std::move(available)), refresh_(refresh) {}

Pages::Block* Pages::fresh(std::size_t size) noexcept {
  const std::size_t bytes = sizeof(Block) + size;
  if (size >= kHugePage) {
    const std::size_t mapped = roundedUp(bytes, pageSize());
    if (void* const memory = mapHuge(mapped)) return new (memory) Block{size, mapped};
    // A process may have only so many mappings; malloc may have room yet.
  }
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, bytes) != 0) return nullptr;
  return new (memory) Block{size};
}

void Pages::discard(Block* chain) noexcept {
  while (chain) {
    auto* const block = std::exchange(chain, chain->next);
    if (block->mapped > 0) {
      munmap(block, block->mapped);
    } else {
      std::free(block);
    }
  }
}

void* Pages::take(std::size_t bytes, Fit fit) {
  if (bytes > PTRDIFF_MAX / 2) throw std::bad_alloc();
  if (bytes < kLeast) {
    void* memory = nullptr;
    if (posix_memalign(&memory, kAlignment, sizeof(Block) + bytes) != 0) throw std::bad_alloc();
    return new (memory) Block + 1;
  }
  const std::size_t size =
      fit == Fit::kLoose ? roundedUp(bytes, std::bit_floor(bytes) / kStepsPerOctave) : roundedUp(bytes, kAlignment);
  Block *block = nullptr, *beyond = nullptr;
  {
    std::lock_guard lock(mutex_);
    block = takeKept(size, fit);
    const bool shrinks = !block && kept_ > 0;
    if (shrinks) refreshBudget(Clock::now());
    used_ += block ? block->size : size;
    if (shrinks) beyond = shrinkTo(budget(), Clock::time_point::max(), nullptr);
  }
  discard(beyond);
  if (!block) block = fresh(size);
  if (!block) {
    release();
    block = fresh(size);
  }
  if (block) return block + 1;
  std::lock_guard lock(mutex_);
  used_ -= size;
  throw std::bad_alloc();
}

void Pages::give(void* memory) noexcept {
  if (!memory) return;
  auto* const block = static_cast<Block*>(memory) - 1;
  Block* beyond = block;
  if (block->size > 0) {
    std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    if (keeping_ > 0) refreshBudget(now);
    used_ -= block->size;
    const auto most = budget();
    if (keeping_ > 0 && block->size <= most) {
      beyond = shrinkTo(most - block->size, now - kStale, nullptr);
      try {
        if (kept_ > most - block->size) throw std::bad_alloc();  // no room for it, as where it cannot be noted
        free_[block->size].push_back({block, now});
        kept_ += block->size;
      } catch (const std::bad_alloc&) {
        block->next = beyond;
        beyond = block;
      }
    }
  }
  discard(beyond);
}

void Pages::release() noexcept {
  Block* all = nullptr;
  {
    std::lock_guard lock(mutex_);
    all = shrinkTo(0, Clock::time_point::max(), nullptr);
    asked_ = {};  // the system has more from now on
  }
  discard(all);
}

void Pages::refreshBudget(Clock::time_point now) {
  if (asked_ != Clock::time_point{} && now - asked_ < refresh_) return;
  asked_ = now;
  try {
    reach_ = available_() + used_ + kept_;
  } catch (const std::exception&) {
    reach_ = 0;  // nothing is kept until the system answers
  }
}

/// Half of what would be free were nothing kept.
std::size_t Pages::budget() const {
  return (reach_ - std::min(reach_, used_)) / 2;
}

Pages::Block* Pages::takeKept(std::size_t size, Fit fit) {
  const auto found = free_.lower_bound(size);
  if (found == free_.end() || found->first > largestFit(size, fit)) return nullptr;
  auto* const block = found->second.back().block;
  found->second.pop_back();
  if (found->second.empty()) free_.erase(found);
  kept_ -= block->size;
  return block;
}

Pages::Block* Pages::takeOldest(Clock::time_point then) {
  const auto oldest = std::min_element(free_.begin(), free_.end(), [](const auto& a, const auto& b) {
    return a.second.front().since < b.second.front().since;
  });
  if (oldest == free_.end() || oldest->second.front().since > then) return nullptr;
  auto* const block = oldest->second.front().block;
  oldest->second.pop_front();
  if (oldest->second.empty()) free_.erase(oldest);
  kept_ -= block->size;
  return block;
}

Pages::Block* Pages::shrinkTo(std::size_t bytes, Clock::time_point then, Block* chain) {
  while (kept_ > bytes) {
    auto* const block = takeOldest(then);
    if (!block) break;
    block->next = chain;
    chain = block;
  }
  return chain;
}

Pages::Usage Pages::usage() const {
  std::lock_guard lock(mutex_);
  return {used_, kept_, budget()};
}

Pages::Keeping::Keeping(Pages& pages) : pages_(pages) {
  std::lock_guard lock(pages_.mutex_);
  ++pages_.keeping_;
}

Pages::Keeping::~Keeping() {
  bool last = false;
  {
    std::lock_guard lock(pages_.mutex_);
    last = --pages_.keeping_ == 0;
  }
  if (last) pages_.release();
}

}  // namespace resnet_torch
