#pragma once

#include <cstdint>
#include <stdexcept>

namespace resnet_torch::data {

/// sharp's limit: larger ones are more likely an attack than a photograph.
inline constexpr std::int64_t kMostPixels = std::int64_t{0x3FFF} * 0x3FFF;

/// How much longer one side of an image may be than the other. Its short side becomes some hundred pixels and its
/// long one as many times more: a picture of 9,000,000×1 would be one of billions.
inline constexpr std::int64_t kMostAspect = 4096;

/// What is read of a file into memory, at most. Files of other formats than JPEG that are larger are decoded from the
/// disk.
inline constexpr std::size_t kMostBytes = std::size_t{256} << 20;

/// Bands of an image: CMYK and alpha.
inline constexpr int kMostBands = 5;

/// Progressive scans of a JPEG. Encoders write a dozen; each is a walk over the whole picture, whatever it holds.
inline constexpr int kMostScans = 100;

/// An image is larger than what may be decoded; found in its header.
class TooManyPixels : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws TooManyPixels beyond `mostPixels`, std::runtime_error where there is no pixel or the sides are too unequal.
void checkSize(std::int64_t width, std::int64_t height, std::int64_t mostPixels);

/// What is held at once while an image is decoded, and all the samples that are made, in bytes. Both may be a fixed
/// amount for any file, and more for a larger one: so that a few bytes cannot ask for much, and a large photograph
/// can. Throws std::runtime_error.
void checkCost(std::int64_t heldBytes, std::int64_t sampleBytes, std::size_t fileBytes);

}  // namespace resnet_torch::data
