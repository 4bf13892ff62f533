#include "core/memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <malloc.h>
#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "core/available_memory.h"

namespace resnet_torch {

namespace {

/// Below this, malloc keeps its pages anyway.
constexpr std::size_t kSmallest = 64 * 1024;
/// Sizes are rounded to a sixteenth of their power of two, so that a block serves slightly different requests.
constexpr std::size_t kStepsPerOctave = 16;

/// A block serves requests of at least its size divided by this: what it has too much is in memory already, where a
/// new block's pages would have to be zeroed first. Batches of which a part was cached come in every size.
constexpr std::size_t kLargestFit = 2;

std::size_t roundedSize(std::size_t bytes) {
  const std::size_t step = std::bit_floor(bytes) / kStepsPerOctave;
  return (bytes + step - 1) / step * step;
}

/// In front of every block, as wide as the alignment that tensors ask for. libtorch also frees by the pointer alone,
/// so the size must be found from it.
struct alignas(64) Header {
  std::size_t size;  ///< 0: too small to be kept
};

/// Blocks of at least so much ask for huge pages: a page fault for 2 MiB instead of 512, and fewer misses of the
/// address cache.
constexpr std::size_t kHugePage = std::size_t{1} << 21;

/// Memory on huge pages where the system has them; null where it has no memory at all.
void* allocateHuge(std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  void* raw = nullptr;
  if (posix_memalign(&raw, kHugePage, bytes) != 0) return nullptr;
  madvise(raw, bytes, MADV_HUGEPAGE);  // advice: where it is not taken, small pages serve
  return raw;
#else
  static_cast<void>(bytes);
  return nullptr;
#endif
}

void* fresh(std::size_t bytes, std::size_t keptSize) {
  void* raw = keptSize >= kHugePage ? allocateHuge(sizeof(Header) + bytes) : nullptr;
  if (!raw) raw = c10::alloc_cpu(sizeof(Header) + bytes);
  return new (raw) Header{keptSize} + 1;
}

void discard(void* memory) {
  c10::free_cpu(static_cast<Header*>(memory) - 1);
}

class CachingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    const auto device = c10::Device(c10::DeviceType::CPU);
    if (bytes == 0) return {nullptr, nullptr, &CachingAllocator::giveBack, device};
    void* memory = bytes < kSmallest ? fresh(bytes, 0) : allocateLarge(roundedSize(bytes));
    return {memory, memory, &CachingAllocator::giveBack, device};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &CachingAllocator::giveBack; }

  void copy_data(void* to, const void* from, std::size_t bytes) const override { std::memcpy(to, from, bytes); }

  void release() {
    std::map<std::size_t, std::vector<void*>> released;
    {
      std::lock_guard lock(mutex_);
      released.swap(free_);
      cachedBytes_ = 0;
    }
    for (auto& [size, blocks] : released)
      for (void* memory : blocks) discard(memory);
  }

  static CachingAllocator& instance() {
    static auto* allocator = new CachingAllocator;  // tensors may be freed after static destructors have run
    return *allocator;
  }

 private:
  /// A quarter of what this process may ever use.
  CachingAllocator() : limitBytes_(allowedMemory() / 4) {}

  void* takeCached(std::size_t size) {
    std::lock_guard lock(mutex_);
    const auto found = free_.lower_bound(size);
    if (found == free_.end() || found->first > kLargestFit * size) return nullptr;
    void* memory = found->second.back();
    cachedBytes_ -= found->first;
    found->second.pop_back();
    if (found->second.empty()) free_.erase(found);
    return memory;
  }

  void* allocateLarge(std::size_t size) {
    if (void* memory = takeCached(size)) return memory;
    try {
      return fresh(size, size);
    } catch (const std::exception&) {
      release();
      return fresh(size, size);
    }
  }

  static void giveBack(void* memory) {
    if (!memory) return;
    const std::size_t size = (static_cast<Header*>(memory) - 1)->size;
    if (size == 0) {
      discard(memory);
      return;
    }
    auto& self = instance();
    bool full = false;
    {
      std::lock_guard lock(self.mutex_);
      self.free_[size].push_back(memory);
      self.cachedBytes_ += size;
      full = self.cachedBytes_ > self.limitBytes_;
    }
    if (full) self.release();
  }

  std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;  ///< by size; none is empty
  std::size_t cachedBytes_ = 0;
  const std::size_t limitBytes_;
};

}  // namespace

void installCachingAllocator() {
  static const bool installed = [] {
    c10::SetCPUAllocator(&CachingAllocator::instance());
    return true;
  }();
  static_cast<void>(installed);
}

void releaseCachedMemory() {
  CachingAllocator::instance().release();
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace resnet_torch
