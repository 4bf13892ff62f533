#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "data/resize.h"
#include "data/uninitialised.h"

namespace resnet_torch::data {

/// What must be known of an image to choose a view of it.
struct ImageFacts {
  int width = 0, height = 0;  ///< as displayed
  int orientation = 1;        ///< EXIF's, where the file is decoded by us
  bool reducible = false;     ///< whether it can be decoded smaller
};

/// A whole picture as displayed, reduced by some factor.
struct StoredImage {
  int width = 0, height = 0;
  Buffer<std::uint8_t> pixels;  ///< [height, width, 3], and a byte more

  static std::size_t bytesFor(int width, int height) { return static_cast<std::size_t>(width) * height * 3 + 1; }
  /// Pushes the sink's part of it.
  void push(RowSink& sink) const;
};

/// Takes a whole picture.
class ImageRecorder final : public RowSink {
 public:
  ImageRecorder(int width, int height);
  const Box& source() const override { return source_; }
  void pushRow(const std::uint8_t* row) override;
  /// After the last row.
  StoredImage take();

 private:
  Box source_;
  StoredImage image_;
  int rows_ = 0;
};

/// Decoded pictures that stay in memory, up to a limit, for the loaders of a run: a picture is stored for each factor
/// that its views are made at, so that what comes from memory equals what comes from the file. What does not fit is
/// not stored; nothing that is stored leaves before the cache does. For any number of threads.
class ImageCache {
 public:
  explicit ImageCache(std::size_t limitBytes) : limit_(limitBytes) {}
  ImageCache(const ImageCache&) = delete;
  ImageCache& operator=(const ImageCache&) = delete;

  struct Held {
    std::size_t images = 0, bytes = 0;
  };
  Held held() const;
  std::size_t limit() const { return limit_; }

  /// What is known of a file of which something is stored.
  std::optional<ImageFacts> facts(const std::string& path) const;
  std::shared_ptr<const StoredImage> find(const std::string& path, int factor) const;
  /// Whether so much more would fit.
  bool hasRoom(std::size_t bytes) const;
  /// Stores a picture, unless it is there already or does not fit.
  void keep(const std::string& path, const ImageFacts& facts, int factor, std::shared_ptr<const StoredImage> image);

 private:
  struct Entry {
    ImageFacts facts;
    std::shared_ptr<const StoredImage> byFactor[4];  // 1, 2, 4, 8
  };

  const std::size_t limit_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
  Held held_;
};

/// Bytes that an image of this displayed size takes at most when all views that `crop` may choose are stored.
std::size_t storedBytes(const CropOptions& crop, int width, int height, bool reducible);

}  // namespace resnet_torch::data
