#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/errors.h"

namespace resnet_torch {

namespace {

std::string folderOf(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporaryName(const std::string& path) {
  static std::atomic<unsigned> counter{0};
  return path + "." + std::to_string(getpid()) + "-" + std::to_string(counter++) + ".tmp";
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), temporary_(temporaryName(path_)) {
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail("could not be created");
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

void AtomicFile::fail(const std::string& what) const {
  throw Error("ERR_FILE", path_ + " " + what + ": " + std::strerror(errno));
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const auto written = ::write(descriptor_, from, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("could not be written");
    from += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (fsync(descriptor_) != 0) fail("could not be written");
  const int descriptor = descriptor_;
  descriptor_ = -1;
  const bool renamed = close(descriptor) == 0 && rename(temporary_.c_str(), path_.c_str()) == 0;
  if (!renamed) {
    const int cause = errno;
    unlink(temporary_.c_str());
    errno = cause;
    fail("could not be put in place");
  }
  if (const int folder = open(folderOf(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
    fsync(folder);
    close(folder);
  }
}

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw Error("ERR_FILE", path + " could not be opened: " + std::strerror(errno));
  struct stat status{};
  if (fstat(descriptor, &status) != 0 || status.st_size == 0) {
    close(descriptor);
    throw Error("ERR_WEIGHTS_FORMAT", path + " is empty");
  }
  size_ = static_cast<std::size_t>(status.st_size);
  void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
  const int cause = errno;
  close(descriptor);
  if (mapped == MAP_FAILED) throw Error("ERR_FILE", path + " could not be mapped: " + std::strerror(cause));
  data_ = static_cast<std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  munmap(data_, size_);
}

const std::byte* MappedFile::at(std::size_t offset, std::size_t length) const {
  if (offset > size_ || length > size_ - offset)
    throw Error("ERR_WEIGHTS_FORMAT", path_ + " is truncated: a tensor ends at byte " +
                                          std::to_string(offset + length) + " of " + std::to_string(size_));
  return data_ + offset;
}

}  // namespace resnet_torch
