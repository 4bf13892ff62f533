#pragma once

#include <cstddef>
#include <string>

namespace resnet_torch {

/// A file that appears whole or not at all: written beside its place, as `.<name>.<16 hexadecimal digits>.tmp`,
/// synced, renamed, and the folder synced. Without `commit`, the temporary file is removed and what was there before
/// stays. What writers of the same file that were killed left, an hour ago or more, is removed. Errors are ERR_FILE
/// and name the path.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void commit();

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
};

/// A file mapped for reading.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  /// The bytes [offset, offset + length); ERR_WEIGHTS_FORMAT where the file is shorter.
  const std::byte* at(std::size_t offset, std::size_t length) const;

 private:
  std::string path_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace resnet_torch
