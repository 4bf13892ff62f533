#pragma once

#include <cstddef>
#include <cstdint>

namespace resnet_torch::model {

/// The stem in inference: convolution 7×7 of 3 channels to 64 with stride 2 and padding 3, bias, ReLU, max-pooling
/// 3×3 with stride 2 and padding 1.
struct StemShape {
  std::int64_t height = 0, width = 0;

  std::int64_t convolvedHeight() const { return (height - 1) / 2 + 1; }
  std::int64_t convolvedWidth() const { return (width - 1) / 2 + 1; }
  std::int64_t outHeight() const { return (convolvedHeight() - 1) / 2 + 1; }
  std::int64_t outWidth() const { return (convolvedWidth() - 1) / 2 + 1; }
};

constexpr std::int64_t kStemKernel = 7, kStemInputs = 3, kStemOutputs = 64;
/// Of a weight as the kernel reads it.
constexpr std::int64_t kPackedStemValues = 7 * 11 * 2 * kStemOutputs;

/// weight [64, 3, 7, 7], rounded to bfloat16 already → kPackedStemValues bits.
void packStem(const std::uint16_t* weight, std::uint16_t* packed);

/// Bytes for a call of runStem() that makes `rows` rows.
std::size_t stemWorkspace(const StemShape& shape, std::int64_t rows);

/// Rows first … last − 1 of the output of one image: image [height, width, 3] → out [outHeight, outWidth, 64], all
/// bfloat16. `workspace` is aligned to 64. For processors with avx512_bf16.
void runStem(const StemShape& shape, const std::uint16_t* image, const std::uint16_t* packed, const float* bias,
             std::int64_t first, std::int64_t last, std::uint16_t* out, void* workspace);

}  // namespace resnet_torch::model
