#pragma once

#include "data/jpeg_layout.h"

namespace resnet_torch::data {

/// Formats that are read.
enum class FileFormat { kUnknown, kJpeg, kPng, kWebp, kGif, kTiff, kAvif };

/// How many of a file's first bytes tell its format.
inline constexpr std::size_t kSignatureBytes = 256;

/// What a file is by its first bytes, whatever it is called.
FileFormat formatOf(Bytes head);

/// libvips' name of a format.
const char* nameOf(FileFormat format);

/// Why a file of unknown format is not read: says what it is where that is plain.
[[noreturn]] void refuseUnknown(Bytes head);

}  // namespace resnet_torch::data
