#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/resize.h"
#include "data/source.h"
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
  LastingBuffer<std::uint8_t> pixels;  ///< [height, width, 3], and a byte more

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

/// A view that is the same in every epoch, but for its mirroring: the centre square, not mirrored.
struct StoredView {
  int size = 0, resize = 0;            ///< CropOptions' own
  LastingBuffer<std::uint8_t> pixels;  ///< [size, size, 3]

  static std::size_t bytesFor(int size) { return static_cast<std::size_t>(size) * size * 3; }
  /// Writes it, mirrored or not.
  void write(bool flip, std::uint8_t* out) const;
};

/// Decoded pictures that stay in memory, up to a limit, for the loaders of a run: a picture is stored for each factor
/// that its views are made at, or a centre view where that takes no more, so that what comes from memory equals what
/// comes from the file. What does not fit is
/// not stored; what is stored stays until the cache goes, or its file is found changed. A file that is gone is still
/// served. For any number of threads.
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

  /// What is known of a file of which something is stored, as it is now.
  std::optional<ImageFacts> facts(const std::string& path, const FileStamp& now) const;
  std::shared_ptr<const StoredImage> find(const std::string& path, const FileStamp& now, int factor) const;
  /// The centre view of `options`, or none.
  std::shared_ptr<const StoredView> findView(const std::string& path, const FileStamp& now,
                                             const CropOptions& options) const;
  /// Whether so much more would fit.
  bool hasRoom(std::size_t bytes) const;
  /// Stores a picture, unless it is there already or does not fit. `stamp` was asked for before the file was read;
  /// pictures of an earlier state of it leave.
  void keep(const std::string& path, const FileStamp& stamp, const ImageFacts& facts, int factor,
            std::shared_ptr<const StoredImage> image);
  void keep(const std::string& path, const FileStamp& stamp, const ImageFacts& facts,
            std::shared_ptr<const StoredView> view);

 private:
  struct Entry {
    FileStamp stamp;
    ImageFacts facts;
    std::shared_ptr<const StoredImage> byFactor[4];  // 1, 2, 4, 8
    std::vector<std::shared_ptr<const StoredView>> views;
  };

  /// With the mutex held.
  std::shared_ptr<const StoredView> viewOf(const Entry& entry, int size, int resize) const;
  Entry& freshEntry(const std::string& path, const FileStamp& stamp, const ImageFacts& facts);
  const Entry* entryOf(const std::string& path, const FileStamp& now) const;

  const std::size_t limit_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
  Held held_;
};

/// Whether of an image whose view is made at `factor` the view itself is stored, and not the picture.
bool keepsView(const CropOptions& crop, int width, int height, int factor);

/// Bytes that an image of this displayed size takes at most when all views that `crop` may choose are stored.
std::size_t storedBytes(const CropOptions& crop, int width, int height, bool reducible);

}  // namespace resnet_torch::data
