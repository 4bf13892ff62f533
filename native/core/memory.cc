#include "core/memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <cstdlib>  // defines __GLIBC__
#include <cstring>
#include <new>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "core/pages.h"

namespace resnet_torch {

namespace {

class PagesAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* const memory = bytes == 0 ? nullptr : taken(bytes);
    return {memory, memory, &PagesAllocator::giveBack, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &PagesAllocator::giveBack; }

  void copy_data(void* to, const void* from, std::size_t bytes) const override { std::memcpy(to, from, bytes); }

 private:
  static void* taken(std::size_t bytes) {
    try {
      return Pages::ofProcess().take(bytes);
    } catch (const std::bad_alloc&) {
      TORCH_CHECK(false, "can't allocate memory: ", bytes, " bytes were asked for");
    }
  }

  static void giveBack(void* memory) { Pages::ofProcess().give(memory); }
};

}  // namespace

void installPagesAllocator() {
  static const bool installed = [] {
    c10::SetCPUAllocator(new PagesAllocator);  // tensors may be freed after static destructors have run
    return true;
  }();
  static_cast<void>(installed);
}

void releaseKeptMemory() {
  Pages::ofProcess().release();
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace resnet_torch
