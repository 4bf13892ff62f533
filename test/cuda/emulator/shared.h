#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

#include "fibers.h"

namespace emulator {

/// Barriers that this block has passed; accesses in one epoch are not ordered.
inline std::size_t& sharedEpoch() {
  static std::size_t epoch = 0;
  return epoch;
}

class SharedBase {
 public:
  virtual void poison() = 0;

 protected:
  ~SharedBase() = default;
};

inline std::vector<SharedBase*>& sharedArrays() {
  static std::vector<SharedBase*> all;
  return all;
}

inline void poisonShared() {
  sharedEpoch() = 0;
  for (auto* array : sharedArrays()) array->poison();
}

/// A block's shared array that knows who touched each element since the last barrier.
template <class T, std::size_t kCount>
class SharedArray final : public SharedBase {
 public:
  SharedArray() {
    sharedArrays().push_back(this);
    poison();
  }

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

  void poison() override {
    std::memset(values_.data(), 0xFF, sizeof values_);
    access_.fill({});
  }

 private:
  static constexpr unsigned kNobody = ~0U, kSeveral = ~0U - 1;

  struct Access {
    std::size_t writeEpoch = 0, readEpoch = 0;
    unsigned writer = kNobody, reader = kNobody;
  };

  T read(std::size_t index) {
    auto& access = access_[index];
    const auto self = fibers().current();
    if (access.writer == kNobody) fail("shared memory is read before it was written");
    if (access.writer != self && access.writeEpoch == sharedEpoch())
      fail("shared memory is read that another thread wrote without a barrier between");
    const bool first = access.reader == kNobody || access.readEpoch != sharedEpoch();
    access.reader = first || access.reader == self ? self : kSeveral;
    access.readEpoch = sharedEpoch();
    return values_[index];
  }

  void write(std::size_t index, const T& value) {
    auto& access = access_[index];
    const auto self = fibers().current();
    const auto now = sharedEpoch();
    if (access.writer != kNobody && access.writer != self && access.writeEpoch == now)
      fail("two threads write the same shared memory without a barrier between");
    if (access.reader != kNobody && access.reader != self && access.readEpoch == now)
      fail("shared memory is written that another thread read without a barrier between");
    access.writer = self;
    access.writeEpoch = now;
    values_[index] = value;
  }

  std::array<T, kCount> values_;
  std::array<Access, kCount> access_;
};

}  // namespace emulator
