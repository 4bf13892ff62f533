#pragma once

#include <cstdint>
#include <string>

#include "data/file_format.h"
#include "data/jpeg_layout.h"
#include "data/resize.h"
#include "data/view/geometry.h"

namespace resnet_torch::data {

/// Names libvips' shared library, the one that sharp's packages bring. It is opened with the first image that needs
/// it; the first name given counts.
void setVipsLibrary(const std::string& path);

/// What is known of an image before it is decoded.
struct ImageHeader {
  int width = 0, height = 0;  ///< as displayed
  std::string format;         ///< `jpeg`, or libvips' name: `png`, `webp`, `gif`, `tiff`, `heif`, …
};

/// An image opened by libvips: any format but plain JPEGs, first frame. Only the loader of the given format sees the
/// file. Not to be shared between threads.
class VipsImage {
 public:
  /// From a file's bytes, which must stay. Throws std::runtime_error that says why not, std::bad_alloc where there is
  /// no memory.
  VipsImage(Bytes file, FileFormat format);
  /// From a file by name; reads no more than the header until it is decoded.
  VipsImage(const std::string& path, FileFormat format);
  ~VipsImage();
  VipsImage(const VipsImage&) = delete;
  VipsImage& operator=(const VipsImage&) = delete;

  ImageHeader header() const;
  /// Bytes of all samples, decoded.
  std::int64_t sampleBytes() const;
  /// Bytes that decoding a part of the picture holds besides what the format's decoder does.
  std::int64_t heldBytes(const Box& part) const;
  /// Decodes what sink.source() needs and pushes its rows, in display orientation, as 8-bit RGB: 16-bit samples lose
  /// their low byte, alpha is dropped and not blended, CMYK becomes RGB by Pillow's formula.
  void decode(RowSink& sink);

 private:
  void open(void* source);
  int rowsAtOnce() const;

  const FileFormat format_;
  void* image_ = nullptr;
  int orientation_ = 1;
};

/// To be called at the end of a thread that used libvips.
void releaseVipsThread();

}  // namespace resnet_torch::data
