#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "data/batch_memory.h"

namespace resnet_torch::data {

/// An allocator that leaves new elements as they are: large buffers that are written whole need no zeros first, whose
/// pages would be touched by whichever thread asks for the buffer. Large ones are batches, whose memory is kept.
template <class Element>
struct Uninitialised : std::allocator<Element> {
  template <class Other>
  struct rebind {
    using other = Uninitialised<Other>;
  };

  Element* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(Element);
    return bytes < BatchMemory::kLeast ? std::allocator<Element>::allocate(count)
                                       : static_cast<Element*>(BatchMemory::take(bytes));
  }
  void deallocate(Element* memory, std::size_t count) noexcept {
    const std::size_t bytes = count * sizeof(Element);
    if (bytes < BatchMemory::kLeast) {
      std::allocator<Element>::deallocate(memory, count);
    } else {
      BatchMemory::give(memory, bytes);
    }
  }

  template <class Other>
  void construct(Other* at) {
    ::new (static_cast<void*>(at)) Other;
  }
};

template <class Element>
using Buffer = std::vector<Element, Uninitialised<Element>>;

/// Bytes to work in, which are lost when more are asked for than ever before.
class Scratch {
 public:
  std::uint8_t* reserve(std::size_t size) {
    if (size > capacity_) {
      bytes_.reset();
      bytes_ = std::make_unique_for_overwrite<std::uint8_t[]>(size);
      capacity_ = size;
    }
    return bytes_.get();
  }
  std::uint8_t* data() const { return bytes_.get(); }
  std::size_t capacity() const { return capacity_; }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t capacity_ = 0;
};

}  // namespace resnet_torch::data
