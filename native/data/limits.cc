#include "data/limits.h"

#include <algorithm>
#include <string>

namespace resnet_torch::data {

namespace {

constexpr std::int64_t kMegabyte = std::int64_t{1} << 20;
/// For any file, for each of its bytes, and in all. A photograph of 12 million pixels holds 190 MB as an AVIF of 1
/// MB; the same of one colour is an AVIF of 600 bytes.
constexpr std::int64_t kHeldFree = 128 * kMegabyte, kHeldPerByte = 128, kHeldMost = 1024 * kMegabyte;
constexpr std::int64_t kSamplesFree = 192 * kMegabyte, kSamplesPerByte = 256;

std::string megabytes(std::int64_t bytes) {
  return std::to_string((bytes + kMegabyte - 1) / kMegabyte) + " MB";
}

}  // namespace

void checkSize(std::int64_t width, std::int64_t height, std::int64_t mostPixels) {
  if (width < 1 || height < 1) throw std::runtime_error("it has no pixels");
  const std::string size = std::to_string(width) + "×" + std::to_string(height) + " pixels";
  if (width > mostPixels / height) throw TooManyPixels("its size of " + size + " is beyond what is read");
  if (std::max(width, height) / std::min(width, height) >= kMostAspect)
    throw std::runtime_error("its sides, " + size + ", are too unequal: one may be less than " +
                             std::to_string(kMostAspect) + " times the other");
}

void checkCost(std::int64_t heldBytes, std::int64_t sampleBytes, std::size_t fileBytes) {
  const auto file = static_cast<std::int64_t>(std::min(fileBytes, kMostBytes));
  const auto refuse = [&](std::int64_t bytes, std::int64_t most) {
    throw std::runtime_error("its " + std::to_string(fileBytes) + " bytes would become " + megabytes(bytes) +
                             " of memory, and a file of this size may take " + megabytes(most) +
                             ": make the picture smaller");
  };
  const auto mostHeld = std::min(kHeldFree + kHeldPerByte * file, kHeldMost);
  const auto mostSamples = kSamplesFree + kSamplesPerByte * file;
  if (heldBytes > mostHeld) refuse(heldBytes, mostHeld);
  if (sampleBytes > mostSamples) refuse(sampleBytes, mostSamples);
}

}  // namespace resnet_torch::data
