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

std::optional<ImageFacts> ImageCache::facts(const std::string& path) const {
  std::shared_lock lock(mutex_);
  const auto found = entries_.find(path);
  return found == entries_.end() ? std::nullopt : std::optional(found->second.facts);
}

std::shared_ptr<const StoredImage> ImageCache::find(const std::string& path, int factor) const {
  std::shared_lock lock(mutex_);
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : found->second.byFactor[slotOf(factor)];
}

bool ImageCache::hasRoom(std::size_t bytes) const {
  std::shared_lock lock(mutex_);
  return bytes <= limit_ - held_.bytes;
}

void ImageCache::keep(const std::string& path, const ImageFacts& facts, int factor,
                      std::shared_ptr<const StoredImage> image) {
  const auto bytes = image->pixels.size();
  std::unique_lock lock(mutex_);
  if (bytes > limit_ - held_.bytes) return;
  auto& entry = entries_[path];
  auto& slot = entry.byFactor[slotOf(factor)];
  if (slot) return;
  entry.facts = facts;
  slot = std::move(image);
  ++held_.images;
  held_.bytes += bytes;
}

std::size_t storedBytes(const CropOptions& crop, int width, int height, bool reducible) {
  const auto at = [&](int factor) {
    return StoredImage::bytesFor(reducedLength(width, factor), reducedLength(height, factor));
  };
  if (crop.kind == CropOptions::Kind::kCenter)
    return at(reducible ? reductionFor(viewOf(crop, width, height, {})) : 1);
  std::size_t bytes = 0;
  const View largest{{0, 0, width, height}, crop.size, crop.size, 0, 0, crop.size, false};
  for (int factor = reducible ? reductionFor(largest) : 1; factor >= 1; factor /= 2) bytes += at(factor);
  return bytes;
}

}  // namespace resnet_torch::data
