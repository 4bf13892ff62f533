#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/pages.h"
#include "data/host_memory.h"

namespace resnet_torch::data {

/// An allocator that leaves new elements as they are: large buffers that are written whole need no zeros first, whose
/// pages would be touched by whichever thread asks for the buffer. They lie in Pages, or in a HostMemory.
template <class Element, Pages::Fit kFit = Pages::Fit::kLoose>
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
  struct rebind {
    using other = Uninitialised<Other, kFit>;
  };
  template <class Other>
  Uninitialised(const Uninitialised<Other, kFit>& other) : memory_(other.memory()) {}

  const std::shared_ptr<HostMemory>& memory() const { return memory_; }

  Element* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(Element);
    return static_cast<Element*>(memory_ ? memory_->take(bytes) : Pages::ofProcess().take(bytes, kFit));
  }
  void deallocate(Element* memory, std::size_t count) noexcept {
    if (memory_) {
      memory_->give(memory, count * sizeof(Element));
    } else {
      Pages::ofProcess().give(memory);
    }
  }

  template <class Other>
  void construct(Other* at) {
    ::new (static_cast<void*>(at)) Other;
  }

  template <class Other>
  bool operator==(const Uninitialised<Other, kFit>& other) const {
    return memory_ == other.memory();
  }

 private:
  std::shared_ptr<HostMemory> memory_;
};

template <class Element>
using Buffer = std::vector<Element, Uninitialised<Element>>;

/// What stays for long, and so takes no more memory than it needs.
template <class Element>
using LastingBuffer = std::vector<Element, Uninitialised<Element, Pages::Fit::kTight>>;

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
