#include "core/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <utility>

#include "core/errors.h"

namespace resnet_torch {

namespace {

std::string folderOf(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

constexpr std::size_t kDigits = 16;
constexpr const char* kEnding = ".tmp";
/// Of most file systems.
constexpr std::size_t kLongestName = 255;
/// Seconds after which a writer that has written nothing is taken for dead.
constexpr std::time_t kDeadAfter = 3600;

/// What names of temporary files for a path begin with: `.<name>.`, cut where that would be too long.
std::string temporaryStem(const std::string& path) {
  const auto slash = path.find_last_of('/');
  const auto name = slash == std::string::npos ? path : path.substr(slash + 1);
  std::string stem(1, '.');
  stem.append(name, 0, kLongestName - kDigits - std::strlen(kEnding) - 2);
  return stem += '.';
}

/// Random: process numbers repeat, in a container from one start to the next.
std::string randomDigits() {
  std::random_device device;
  constexpr char kHex[] = "0123456789abcdef";
  std::string digits;
  for (std::size_t i = 0; i < kDigits; i += 8) {
    auto bits = static_cast<std::uint32_t>(device());
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) digits += kHex[bits & 15];
  }
  return digits;
}

bool isTemporary(const std::string& name, const std::string& stem) {
  return name.size() == stem.size() + kDigits + std::strlen(kEnding) && name.starts_with(stem) &&
         name.ends_with(kEnding) && name.find_first_not_of("0123456789abcdef", stem.size()) == stem.size() + kDigits;
}

/// Removes what writers of the same file left when they were killed.
void removeAbandoned(const std::string& folder, const std::string& stem) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(folder.c_str()), closedir);
  if (!listing) return;
  while (const auto* entry = readdir(listing.get())) {
    if (!isTemporary(entry->d_name, stem)) continue;
    struct stat status{};
    const int in = dirfd(listing.get());
    if (fstatat(in, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
        std::time(nullptr) - status.st_mtime > kDeadAfter)
      unlinkat(in, entry->d_name, 0);
  }
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  const auto folder = folderOf(path_), stem = temporaryStem(path_);
  removeAbandoned(folder, stem);
  do {
    temporary_ = folder + "/" + stem + randomDigits() + kEnding;
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  } while (descriptor_ < 0 && errno == EEXIST);
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
