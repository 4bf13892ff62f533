#pragma once

#include <memory>
#include <new>
#include <vector>

namespace resnet_torch::data {

/// An allocator that leaves new elements as they are: large buffers that are written whole need no zeros first, whose
/// pages would be touched by whichever thread asks for the buffer.
template <class Element>
struct Uninitialised : std::allocator<Element> {
  template <class Other>
  struct rebind {
    using other = Uninitialised<Other>;
  };

  template <class Other>
  void construct(Other* at) {
    ::new (static_cast<void*>(at)) Other;
  }
};

template <class Element>
using Buffer = std::vector<Element, Uninitialised<Element>>;

}  // namespace resnet_torch::data
