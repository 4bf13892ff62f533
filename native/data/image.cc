#include "data/image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#include "data/image_cache.h"
#include "data/jpeg.h"
#include "data/orientation.h"
#include "data/other_formats.h"
#include "data/resize.h"
#include "data/uninitialised.h"

namespace resnet_torch::data {

namespace {

/// sharp's limit: larger ones are more likely an attack than a photograph.
constexpr std::int64_t kMostPixels = std::int64_t{0x3FFF} * 0x3FFF;
/// Files up to this size are read whole when they are scanned, of larger ones the head and the end.
constexpr std::size_t kScannedWhole = 512 * 1024;
constexpr std::size_t kScannedHead = 64 * 1024;

constexpr char kTruncated[] = "the JPEG is truncated: its end marker is missing";

/// A thread's buffer for files, kept from one to the next where it is no larger.
constexpr std::size_t kMostKept = std::size_t{16} << 20;
thread_local Scratch keptBytes;

class File {
 public:
  explicit File(const std::string& path)
      : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC)), bytes_(std::exchange(keptBytes, {})) {
    struct stat status{};
    if (descriptor_ < 0) throw std::runtime_error(std::string("it cannot be opened: ") + std::strerror(errno));
    if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
      close(descriptor_);
      throw std::runtime_error("it is not a file");
    }
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) {
      close(descriptor_);
      throw std::runtime_error("the file is empty (0 bytes)");
    }
  }
  ~File() {
    close(descriptor_);
    if (bytes_.capacity() <= kMostKept) keptBytes = std::move(bytes_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::size_t size() const { return size_; }

  /// `size` bytes from `offset` on, or as many as there are.
  Bytes read(std::size_t offset, std::size_t size) {
    size = std::min(size, size_ - std::min(offset, size_));
    std::uint8_t* const bytes = bytes_.reserve(size);
    std::size_t done = 0;
    while (done < size) {
      const auto got = pread(descriptor_, bytes + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw std::runtime_error(std::string("it cannot be read: ") + std::strerror(errno));
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return {bytes, done};
  }
  Bytes readAll() { return read(0, size_); }

 private:
  int descriptor_;
  std::size_t size_ = 0;
  Scratch bytes_;
};

void checkSize(int width, int height) {
  if (width < 1 || height < 1 || static_cast<std::int64_t>(width) * height > kMostPixels)
    throw std::runtime_error("its size of " + std::to_string(width) + "×" + std::to_string(height) +
                             " pixels is beyond what is read");
}

/// The size as displayed.
ImageHeader displayed(const JpegLayout& layout) {
  ImageHeader header{layout.width, layout.height, "jpeg"};
  if (swapsSides(layout.orientation)) std::swap(header.width, header.height);
  return header;
}

JpegLayout wholeLayout(Bytes file) {
  const auto layout = readJpegLayout(file);
  if (!layout.valid || !hasJpegEnd(file, layout)) throw std::runtime_error(kTruncated);
  checkSize(layout.width, layout.height);
  return layout;
}

/// libvips' words where it does not know a file at all are no help to a person.
[[noreturn]] void failWith(const std::string& vipsMessage, const std::string& jpegMessage) {
  if (!jpegMessage.empty()) throw std::runtime_error(jpegMessage + "; " + vipsMessage);
  if (vipsMessage.find("known format") != std::string::npos)
    throw std::runtime_error("it is not an image of a format that is read");
  throw std::runtime_error(vipsMessage);
}

ImageHeader scanJpeg(File& file, const JpegLayout& head) {
  const auto end = file.read(file.size() - 2, 2);
  // No scan's data holds these two bytes, so at the end of the file they are an end marker.
  if (head.valid && end.size() == 2 && end[0] == 0xFF && end[1] == 0xD9) {
    checkSize(head.width, head.height);
    return displayed(head);
  }
  return displayed(wholeLayout(file.readAll()));
}

ImageHeader scanHeader(const std::string& path) {
  File file(path);
  const bool small = file.size() <= kScannedWhole;
  const auto head = small ? file.readAll() : file.read(0, kScannedHead);
  if (looksLikeJpeg(head)) return small ? displayed(wholeLayout(head)) : scanJpeg(file, readJpegLayout(head));
  try {
    const auto header = small ? VipsImage(head).header() : VipsImage(path).header();
    checkSize(header.width, header.height);
    return header;
  } catch (const std::runtime_error& error) {
    failWith(error.what(), "");
  }
}

/// A view of an image, and how small the image may be decoded for it.
struct ViewPlan {
  ViewPlan(const ImageFacts& facts, const CropOptions& options, const Address& address)
      : view(viewOf(options, facts.width, facts.height, address)) {
    if (!facts.reducible) return;
    const int factor = reductionFor(view);
    const auto reversed = reversedAxes(facts.orientation);
    // The grid of reduced pixels begins where the stored picture does.
    const auto lead = [&](int length) { return reducedLength(length, factor) * factor - length; };
    reduction = {factor, reversed.x ? lead(facts.width) : 0, reversed.y ? lead(facts.height) : 0};
  }

  ViewResizer resizer(const ImageFacts& facts) const {
    return ViewResizer(view, facts.width, facts.height, reduction);
  }

  View view;
  Reduction reduction;
};

bool viewFromCache(const ImageCache& cache, const std::string& path, const CropOptions& options,
                   const Address& address, std::uint8_t* out) {
  const auto facts = cache.facts(path);
  if (!facts) return false;
  const ViewPlan plan(*facts, options, address);
  const auto image = cache.find(path, plan.reduction.factor);
  if (!image) return false;
  auto resizer = plan.resizer(*facts);
  image->push(resizer);
  resizer.finish(out);
  return true;
}

/// Decodes what the view needs; or all, to store it. A picture that breaks where the view does not reach is not
/// stored.
template <class Decode>
JpegOutcome makeView(const std::string& path, const ImageFacts& facts, const ViewPlan& plan, ImageCache* cache,
                     std::uint8_t* out, const Decode& decode) {
  const int factor = plan.reduction.factor;
  const int width = reducedLength(facts.width, factor), height = reducedLength(facts.height, factor);
  if (cache && cache->hasRoom(StoredImage::bytesFor(width, height))) {
    ImageRecorder recorder(width, height);
    if (decode(recorder) == JpegOutcome::kDone) {
      const auto image = std::make_shared<const StoredImage>(recorder.take());
      cache->keep(path, facts, factor, image);
      auto resizer = plan.resizer(facts);
      image->push(resizer);
      resizer.finish(out);
      return JpegOutcome::kDone;
    }
  }
  auto resizer = plan.resizer(facts);
  const auto outcome = decode(resizer);
  if (outcome == JpegOutcome::kDone) resizer.finish(out);
  return outcome;
}

}  // namespace

void decodeView(const std::string& path, const CropOptions& options, const Address& address, std::uint8_t* out,
                ImageCache* cache) {
  if (cache && viewFromCache(*cache, path, options, address, out)) return;
  File file(path);
  const auto bytes = file.readAll();
  std::string jpegMessage;
  if (looksLikeJpeg(bytes)) {
    const auto layout = wholeLayout(bytes);
    if (isPlainJpeg(layout)) {
      const auto size = displayed(layout);
      const ImageFacts facts{size.width, size.height, layout.orientation, true};
      const ViewPlan plan(facts, options, address);
      const auto outcome = makeView(path, facts, plan, cache, out, [&](RowSink& sink) {
        return decodeJpeg(bytes, layout, plan.reduction.factor, sink, jpegMessage);
      });
      if (outcome == JpegOutcome::kDone) return;
      if (outcome == JpegOutcome::kBroken) throw std::runtime_error(jpegMessage);
    }
  }
  try {
    VipsImage image(bytes);
    const auto size = image.header();
    checkSize(size.width, size.height);
    const ImageFacts facts{size.width, size.height};
    makeView(path, facts, ViewPlan(facts, options, address), cache, out, [&](RowSink& sink) {
      image.decode(sink);
      return JpegOutcome::kDone;
    });
  } catch (const std::runtime_error& error) {
    failWith(error.what(), jpegMessage);
  }
}

ScannedImage scanImage(const std::string& path) {
  ScannedImage scanned;
  try {
    const auto header = scanHeader(path);
    scanned.ok = true;
    scanned.width = header.width;
    scanned.height = header.height;
    scanned.format = header.format;
  } catch (const std::exception& error) {
    scanned.message = error.what();
  }
  return scanned;
}

}  // namespace resnet_torch::data
