#include "data/image_cache.h"

#include <bit>
#include <cstring>
#include <mutex>
#include <utility>

namespace resnet_torch::data {

namespace {

constexpr int kStoredBytes = 3;

/// Position of a factor among 1, 2, 4 and 8.
int slotOf(int factor) {
  return std::countr_zero(static_cast<unsigned>(factor));
}

}  // namespace

void StoredImage::push(RowSink& sink) const {
  const Box& box = sink.source();
  Scratch row;
  row.reserve(static_cast<std::size_t>(box.width) * kPixelBytes);
  for (int y = 0; y < box.height; ++y) {
    const std::uint8_t* from =
        pixels.data() + (static_cast<std::size_t>(box.top + y) * width + box.left) * kStoredBytes;
    std::uint8_t* to = row.data();
    // The fourth byte of a pixel, which nobody uses, is the next one's first.
    for (int x = 0; x < box.width; ++x, from += kStoredBytes, to += kPixelBytes) std::memcpy(to, from, kPixelBytes);
    sink.pushRow(row.data());
  }
}

void StoredView::write(bool flip, std::uint8_t* out) const {
  if (!flip) {
    std::memcpy(out, pixels.data(), pixels.size());
    return;
  }
  const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(size) * kStoredBytes;
  const std::uint8_t* from = pixels.data() - kStoredBytes;
  for (int y = 0; y < size; ++y) {
    from += row;  // the last pixel of a row
    for (std::ptrdiff_t at = 0; at < row; at += kStoredBytes, out += kStoredBytes)
      std::memcpy(out, from - at, kStoredBytes);
  }
}

ImageRecorder::ImageRecorder(int width, int height) : source_{0, 0, width, height} {
  image_.width = width;
  image_.height = height;
  image_.pixels.resize(StoredImage::bytesFor(width, height));
  image_.pixels.back() = 0;
}

void ImageRecorder::pushRow(const std::uint8_t* row) {
  std::uint8_t* to = image_.pixels.data() + static_cast<std::size_t>(rows_++) * source_.width * kStoredBytes;
  for (int x = 0; x < source_.width; ++x, row += kPixelBytes, to += kStoredBytes) std::memcpy(to, row, kStoredBytes);
}

StoredImage ImageRecorder::take() {
  return std::move(image_);
}

ImageCache::Held ImageCache::held() const {
  std::shared_lock lock(mutex_);
  return held_;
}

const ImageCache::Entry* ImageCache::entryOf(const std::string& path, const FileStamp& now) const {
  const auto found = entries_.find(path);
  if (found == entries_.end()) return nullptr;
  return !now.known() || now == found->second.stamp ? &found->second : nullptr;
}

std::optional<ImageFacts> ImageCache::facts(const std::string& path, const FileStamp& now) const {
  std::shared_lock lock(mutex_);
  const auto* const entry = entryOf(path, now);
  return entry ? std::optional(entry->facts) : std::nullopt;
}

std::shared_ptr<const StoredImage> ImageCache::find(const std::string& path, const FileStamp& now, int factor) const {
  std::shared_lock lock(mutex_);
  const auto* const entry = entryOf(path, now);
  return entry ? entry->byFactor[slotOf(factor)] : nullptr;
}

std::shared_ptr<const StoredView> ImageCache::viewOf(const Entry& entry, int size, int resize) const {
  for (const auto& view : entry.views)
    if (view->size == size && view->resize == resize) return view;
  return nullptr;
}

std::shared_ptr<const StoredView> ImageCache::findView(const std::string& path, const FileStamp& now,
                                                       const CropOptions& options) const {
  std::shared_lock lock(mutex_);
  const auto* const entry = entryOf(path, now);
  return entry ? viewOf(*entry, options.size, options.resize) : nullptr;
}

bool ImageCache::hasRoom(std::size_t bytes) const {
  std::shared_lock lock(mutex_);
  return bytes <= limit_ - held_.bytes;
}

void ImageCache::keep(const std::string& path, const FileStamp& stamp, const ImageFacts& facts, int factor,
                      std::shared_ptr<const StoredImage> image) {
  const auto bytes = image->pixels.size();
  std::unique_lock lock(mutex_);
  if (bytes > limit_ - held_.bytes) return;
  auto& slot = freshEntry(path, stamp, facts).byFactor[slotOf(factor)];
  if (slot) return;
  slot = std::move(image);
  ++held_.images;
  held_.bytes += bytes;
}

void ImageCache::keep(const std::string& path, const FileStamp& stamp, const ImageFacts& facts,
                      std::shared_ptr<const StoredView> view) {
  const auto bytes = view->pixels.size();
  std::unique_lock lock(mutex_);
  if (bytes > limit_ - held_.bytes) return;
  auto& entry = freshEntry(path, stamp, facts);
  if (viewOf(entry, view->size, view->resize)) return;
  entry.views.push_back(std::move(view));
  ++held_.images;
  held_.bytes += bytes;
}

ImageCache::Entry& ImageCache::freshEntry(const std::string& path, const FileStamp& stamp, const ImageFacts& facts) {
  auto& entry = entries_[path];
  if (entry.stamp != stamp) {
    const auto leave = [&](std::size_t bytes) {
      --held_.images;
      held_.bytes -= bytes;
    };
    for (auto& old : entry.byFactor) {
      if (!old) continue;
      leave(old->pixels.size());
      old.reset();
    }
    for (const auto& old : entry.views) leave(old->pixels.size());
    entry.views.clear();
  }
  entry.stamp = stamp;
  entry.facts = facts;
  return entry;
}

bool keepsView(const CropOptions& crop, int width, int height, int factor) {
  return crop.kind == CropOptions::Kind::kCenter &&
         StoredView::bytesFor(crop.size) <=
             StoredImage::bytesFor(reducedLength(width, factor), reducedLength(height, factor));
}

std::size_t storedBytes(const CropOptions& crop, int width, int height, bool reducible) {
  const auto at = [&](int factor) {
    return StoredImage::bytesFor(reducedLength(width, factor), reducedLength(height, factor));
  };
  if (crop.kind == CropOptions::Kind::kCenter) {
    const int factor = reducible ? reductionFor(viewOf(crop, width, height, {})) : 1;
    return keepsView(crop, width, height, factor) ? StoredView::bytesFor(crop.size) : at(factor);
  }
  std::size_t bytes = 0;
  const View largest{{0, 0, width, height}, crop.size, crop.size, 0, 0, crop.size, false};
  for (int factor = reducible ? reductionFor(largest) : 1; factor >= 1; factor /= 2) bytes += at(factor);
  return bytes;
}

}  // namespace resnet_torch::data
