#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "data/batch_memory.h"

namespace resnet_torch::data {

/// An allocator that leaves new elements as they are: large buffers that are written whole need no zeros first, whose
/// pages would be touched by whichever thread asks for the buffer. Large ones are batches, whose memory is kept; with
/// a HostMemory all of them lie there.
template <class Element>
class Uninitialised {
 public:
  using value_type = Element;
  using is_always_equal = std::false_type;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;

  Uninitialised() = default;
  explicit Uninitialised(std::shared_ptr<HostMemory> memory) : memory_(std::move(memory)) {}
  // Moving copies: a container that was moved from keeps its allocator.
  Uninitialised(const Uninitialised&) = default;
  Uninitialised& operator=(const Uninitialised&) = default;
  template <class Other>
  Uninitialised(const Uninitialised<Other>& other) : memory_(other.memory()) {}

  const std::shared_ptr<HostMemory>& memory() const { return memory_; }

  Element* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(Element);
    if (memory_) return static_cast<Element*>(memory_->take(bytes));
    return bytes < BatchMemory::kLeast ? std::allocator<Element>().allocate(count)
                                       : static_cast<Element*>(BatchMemory::take(bytes));
  }
  void deallocate(Element* memory, std::size_t count) noexcept {
    const std::size_t bytes = count * sizeof(Element);
    if (memory_) {
      memory_->give(memory, bytes);
    } else if (bytes < BatchMemory::kLeast) {
      std::allocator<Element>().deallocate(memory, count);
    } else {
      BatchMemory::give(memory, bytes);
    }
  }

  template <class Other>
  void construct(Other* at) {
    ::new (static_cast<void*>(at)) Other;
  }

  template <class Other>
  bool operator==(const Uninitialised<Other>& other) const {
    return memory_ == other.memory();
  }

 private:
  std::shared_ptr<HostMemory> memory_;
};

template <class Element>
using Buffer = std::vector<Element, Uninitialised<Element>>;

/// Bytes to work in, which are lost when more are asked for than ever before.
class Scratch {
 public:
  Scratch() = default;
  Scratch(Scratch&& other) noexcept : bytes_(std::move(other.bytes_)), capacity_(std::exchange(other.capacity_, 0)) {}
  Scratch& operator=(Scratch&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  std::uint8_t* reserve(std::size_t size) {
    if (size > capacity_) {
      bytes_.reset();
      capacity_ = 0;  // where there is no memory for more, there is none at all
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
