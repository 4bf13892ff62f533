#include "data/batch_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace resnet_torch::data {

namespace {

constexpr std::size_t kHugePage = std::size_t{1} << 21;

struct Kept {
  std::mutex mutex;
  std::map<std::size_t, std::vector<void*>> free;
  int scopes = 0;
};

/// Never destroyed: batches may outlast static objects.
Kept& kept() {
  static auto* instance = new Kept;
  return *instance;
}

void* fresh(std::size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, kHugePage, bytes) != 0) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes, MADV_HUGEPAGE);  // advice: where it is not taken, small pages serve
#endif
  return memory;
}

}  // namespace

void* BatchMemory::take(std::size_t bytes) {
  auto& all = kept();
  {
    std::lock_guard lock(all.mutex);
    const auto found = all.free.find(bytes);
    if (found != all.free.end() && !found->second.empty()) {
      void* const memory = found->second.back();
      found->second.pop_back();
      return memory;
    }
  }
  return fresh(bytes);
}

void BatchMemory::give(void* memory, std::size_t bytes) noexcept {
  auto& all = kept();
  {
    std::lock_guard lock(all.mutex);
    if (all.scopes > 0) {
      try {
        all.free[bytes].push_back(memory);
        return;
      } catch (const std::bad_alloc&) {
        // There is no room to remember it.
      }
    }
  }
  std::free(memory);
}

BatchMemory::Scope::Scope() {
  std::lock_guard lock(kept().mutex);
  ++kept().scopes;
}

BatchMemory::Scope::~Scope() {
  std::map<std::size_t, std::vector<void*>> released;
  {
    std::lock_guard lock(kept().mutex);
    if (--kept().scopes == 0) released.swap(kept().free);
  }
  for (const auto& [bytes, blocks] : released)
    for (void* const memory : blocks) std::free(memory);
}

}  // namespace resnet_torch::data
