#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "data/source.h"

namespace resnet_torch::data {

/// Looks at parts of a file, of which it reads some at a time.
class ByteWindow {
 public:
  /// `name` of the format, for messages.
  ByteWindow(ImageBytes& file, const char* name, bool bigEndian) : file_(file), name_(name), bigEndian_(bigEndian) {}

  std::size_t size() const { return file_.size(); }
  void setBigEndian(bool bigEndian) { bigEndian_ = bigEndian; }

  /// `count` bytes from `offset` on, until the next call. Throws std::runtime_error where the file ends before.
  Bytes at(std::uint64_t offset, std::size_t count) {
    requireTo(offset, count);
    const auto from = static_cast<std::size_t>(offset);
    if (from < begin_ || from + count > begin_ + bytes_.size()) {
      bytes_ = file_.read(from, std::max(count, kRead));
      begin_ = from;
      if (bytes_.size() < count) fail();  // it became shorter meanwhile
    }
    return bytes_.subspan(from - begin_, count);
  }

  /// An unsigned number of `width` bytes, 8 at most.
  std::uint64_t number(std::uint64_t offset, int width) {
    const auto bytes = at(offset, static_cast<std::size_t>(width));
    std::uint64_t value = 0;
    for (int i = 0; i < width; ++i)
      value = value << 8 | bytes[static_cast<std::size_t>(bigEndian_ ? i : width - 1 - i)];
    return value;
  }

  /// Throws std::runtime_error where the file ends before these.
  void requireTo(std::uint64_t offset, std::uint64_t count) const {
    if (offset > size() || count > size() - offset) fail();
  }

  [[noreturn]] void fail() const {
    throw std::runtime_error(std::string("the ") + name_ + " is truncated: its file ends before it does");
  }

 private:
  static constexpr std::size_t kRead = std::size_t{16} << 10;

  ImageBytes& file_;
  const char* name_;
  bool bigEndian_;
  Bytes bytes_;
  std::size_t begin_ = 0;
};

}  // namespace resnet_torch::data
