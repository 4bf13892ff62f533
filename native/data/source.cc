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

}  // namespace

SpoolFile::SpoolFile(int descriptor) : descriptor_(fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) {
  if (descriptor_ < 0) throw Error("ERR_FILE", std::string("The spool file cannot be used: ") + std::strerror(errno));
}

SpoolFile::~SpoolFile() {
  close(descriptor_);
}

ImageSource FileList::source(std::size_t index) const {
  if (!spool) return {paths[index]};
  return {paths[index], spool.get(), &spooled[index], {}, spooled[index].raw};
}

ImageBytes::ImageBytes(const ImageSource& source) {
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
    descriptor_ = open(source.name.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) throw std::runtime_error(std::string("it cannot be opened: ") + std::strerror(errno));
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
    if (got < 0) throw std::runtime_error(std::string("it cannot be read: ") + std::strerror(errno));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return {bytes, done};
}

}  // namespace resnet_torch::data
