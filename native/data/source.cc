#include "data/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "core/errors.h"

namespace resnet_torch::data {

namespace {

/// A thread's buffer for files, kept from one to the next where it is no larger.
constexpr std::size_t kMostKept = std::size_t{16} << 20;
thread_local Scratch keptBytes;

/// Whether a file that cannot be opened is at fault itself: it is gone, or it is no file. All else is the system's.
bool isFilesFault(int error) {
  for (const int known : {ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EISDIR, ENXIO, ENODEV, EINVAL})
    if (error == known) return true;
  return false;
}

}  // namespace

SpoolFile::SpoolFile(int descriptor) : descriptor_(fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) {
  if (descriptor_ < 0) throw Error("ERR_FILE", std::string("The spool file cannot be used: ") + std::strerror(errno));
}

SpoolFile::~SpoolFile() {
  close(descriptor_);
}

FileStamp stampOf(const ImageSource& source) {
  struct stat status{};
  if (!source.isFile() || stat(source.name.c_str(), &status) != 0) return {};
#ifdef __APPLE__
  const auto& changed = status.st_mtimespec;
#else
  const auto& changed = status.st_mtim;
#endif
  return {static_cast<std::int64_t>(status.st_size), static_cast<std::int64_t>(changed.tv_sec),
          static_cast<std::int64_t>(changed.tv_nsec)};
}

ImageSource FileList::source(std::size_t index) const {
  if (!spool) return {paths[index]};
  return {paths[index], spool.get(), &spooled[index], {}, spooled[index].raw};
}

ImageBytes::ImageBytes(const ImageSource& source) : name_(source.name) {
  if (!source.memory.empty()) {
    memory_ = source.memory;
    size_ = memory_.size();
    return;
  }
  if (source.spool) {
    descriptor_ = source.spool->descriptor();
    begin_ = source.spooled->offset;
    size_ = source.spooled->length;
  } else {
    // Not to wait for whoever writes into a pipe, where it is one.
    do {
      descriptor_ = open(source.name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    } while (descriptor_ < 0 && errno == EINTR);
    if (descriptor_ < 0) fail("it cannot be opened: ", errno);
    struct stat status{};
    if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
      close(descriptor_);
      throw std::runtime_error("it is not a file");
    }
    size_ = static_cast<std::size_t>(status.st_size);
    owned_ = true;
  }
  if (size_ == 0) {
    if (owned_) close(descriptor_);
    throw std::runtime_error(owned_ ? "the file is empty (0 bytes)" : "it is empty (0 bytes)");
  }
  bytes_ = std::exchange(keptBytes, {});
}

void ImageBytes::fail(const char* what, int error) const {
  const std::string reason = what + std::string(std::strerror(error));
  if (isFilesFault(error)) throw std::runtime_error(reason);
  throw Error("ERR_FILE", "Cannot read the image " + name_ + ": " + reason +
                              ". That is no damage of the image, so it is not left out as a broken one: see to the "
                              "cause, and begin again");
}

ImageBytes::~ImageBytes() {
  if (owned_) close(descriptor_);
  if (bytes_.capacity() > keptBytes.capacity() && bytes_.capacity() <= kMostKept) keptBytes = std::move(bytes_);
}

Bytes ImageBytes::read(std::size_t offset, std::size_t size) {
  offset = std::min(offset, size_);
  size = std::min(size, size_ - offset);
  if (!memory_.empty()) return memory_.subspan(offset, size);
  std::uint8_t* const bytes = bytes_.reserve(size);
  std::size_t done = 0;
  while (done < size) {
    const auto got = pread(descriptor_, bytes + done, size - done, static_cast<off_t>(begin_ + offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("it cannot be read: ", errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return {bytes, done};
}

}  // namespace resnet_torch::data
