#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/hash.h"
#include "data/jpeg_layout.h"
#include "data/uninitialised.h"

namespace resnet_torch::data {

/// Sides of pixels that are given as they are: rows from top to bottom, 8 bits a sample, the samples of a pixel
/// together; 1 channel (grey), 3 (red, green, blue) or 4 (and alpha, which is dropped). 0: the bytes are encoded.
struct RawShape {
  int width = 0, height = 0, channels = 0;

  std::size_t bytes() const { return static_cast<std::size_t>(width) * height * channels; }
};

/// An open file in which images lie one after the other; closed with its last user.
class SpoolFile {
 public:
  /// Of a descriptor that stays the caller's. Throws Error(ERR_FILE) where it is none.
  explicit SpoolFile(int descriptor);
  ~SpoolFile();
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

/// A part of a spool file.
struct SpooledImage {
  std::size_t offset = 0, length = 0;
  RawShape raw;
  Hash128 digest;  ///< of the bytes
};

/// Where an image is: in a file of its own, in a spool file, or in memory. What it refers to must outlive it.
struct ImageSource {
  const std::string& name;  ///< the path of a file of its own; else what it is called
  const SpoolFile* spool = nullptr;
  const SpooledImage* spooled = nullptr;
  Bytes memory{};
  RawShape raw{};

  bool isFile() const { return !spool && memory.empty(); }
};

/// What tells one state of a file from another.
struct FileStamp {
  std::int64_t bytes = -1;                    ///< −1 where the system does not tell, or there is no file
  std::int64_t seconds = 0, nanoseconds = 0;  ///< when it was changed

  bool known() const { return bytes >= 0; }
  bool operator==(const FileStamp&) const = default;
};

/// Of a file as it is now. Of what lies in a spool file or in memory, which does not change, it is not known.
FileStamp stampOf(const ImageSource& source);

/// Images with labels. Each is a file of its own; or all lie in a spool file, and have names in place of paths.
struct FileList {
  std::vector<std::string> paths;
  std::vector<std::int32_t> labels;  ///< one a path
  std::shared_ptr<const SpoolFile> spool;
  std::vector<SpooledImage> spooled;  ///< one a path where there is a spool file

  ImageSource source(std::size_t index) const;
};

/// The bytes of an image, read as far as they are asked for. Throws std::runtime_error without the image's name for
/// what is wrong with the file, and Error(ERR_FILE) for what is wrong with the system (no right to read, no
/// descriptor left, a disk that fails): such a file is not a broken image, and never left out as one.
class ImageBytes {
 public:
  explicit ImageBytes(const ImageSource& source);
  explicit ImageBytes(Bytes memory) : memory_(memory), size_(memory.size()) {}
  ~ImageBytes();
  ImageBytes(const ImageBytes&) = delete;
  ImageBytes& operator=(const ImageBytes&) = delete;

  std::size_t size() const { return size_; }
  /// `size` bytes from `offset` on, or as many as there are; until the next call.
  Bytes read(std::size_t offset, std::size_t size);
  Bytes readAll() { return read(0, size_); }

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::string name_;
  Bytes memory_;
  int descriptor_ = -1;
  bool owned_ = false;
  std::size_t begin_ = 0, size_ = 0;
  Scratch bytes_;
};

}  // namespace resnet_torch::data
