#pragma once

#include <array>
#include <cstddef>

#include "fibers.h"

namespace emulator {

/// Counts blocks and the barriers that they have passed, from one: accesses in one epoch are not ordered.
struct Epochs {
  std::size_t now = 1;
  std::size_t block = 1;  ///< in which the running block began
};

inline Epochs& epochs() {
  static Epochs all;
  return all;
}

/// What another block left in shared memory is not there for this one.
inline void forgetShared() {
  epochs().block = ++epochs().now;
}

/// A block's shared array that knows who touched each element since the last barrier.
template <class T, std::size_t kCount>
class SharedArray {
 public:
  class Element {
   public:
    Element(SharedArray& array, std::size_t index) : array_(array), index_(index) {}
    operator T() const { return array_.read(index_); }  // NOLINT: reads like the plain array that it stands for
    Element& operator=(const T& value) {
      array_.write(index_, value);
      return *this;
    }
    Element& operator=(const Element& other) { return *this = static_cast<T>(other); }
    Element& operator+=(const T& value) { return *this = static_cast<T>(*this) + value; }

   private:
    SharedArray& array_;
    std::size_t index_;
  };

  template <class Index>
  Element operator[](Index index) {
    if (static_cast<long long>(index) < 0 || static_cast<std::size_t>(index) >= kCount)
      fail("shared memory is accessed out of bounds");
    return Element(*this, static_cast<std::size_t>(index));
  }

 private:
  static constexpr unsigned kSeveral = ~0U;

  struct Access {
    std::size_t writeEpoch = 0, readEpoch = 0;
    unsigned writer = 0, reader = 0;
  };

  T read(std::size_t index) {
    auto& access = access_[index];
    const auto self = fibers().current();
    const auto now = epochs().now;
    if (access.writeEpoch < epochs().block) fail("shared memory is read before it was written");
    if (access.writer != self && access.writeEpoch == now)
      fail("shared memory is read that another thread wrote without a barrier between");
    access.reader = access.readEpoch != now || access.reader == self ? self : kSeveral;
    access.readEpoch = now;
    return values_[index];
  }

  void write(std::size_t index, const T& value) {
    auto& access = access_[index];
    const auto self = fibers().current();
    const auto now = epochs().now;
    if (access.writer != self && access.writeEpoch == now)
      fail("two threads write the same shared memory without a barrier between");
    if (access.reader != self && access.readEpoch == now)
      fail("shared memory is written that another thread read without a barrier between");
    access.writer = self;
    access.writeEpoch = now;
    values_[index] = value;
  }

  std::array<T, kCount> values_;
  std::array<Access, kCount> access_;
};

}  // namespace emulator
