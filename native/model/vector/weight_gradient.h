#pragma once

#include <cstddef>
#include <cstdint>

namespace resnet_torch::model {

/// y = conv2d(x, weight) in channels-last layout, without dilation or groups, as its weight's gradient sees it: a sum
/// over the positions of y.
struct ConvolutionShape {
  std::int64_t height = 0, width = 0, channels = 0;           ///< of x
  std::int64_t outHeight = 0, outWidth = 0, outChannels = 0;  ///< of y
  std::int64_t kernel = 1, stride = 1, padding = 0;
};

/// Channels of y and of x that are taken together: those of both must be multiples of it.
constexpr std::int64_t kGradientBlock = 64;
/// Blocks of y's channels that one call may be given.
constexpr std::int64_t kMostGradientBlocks = 4;

/// Adds the part of some positions to the gradient of some output channels. `positions` count y's rows, one after
/// another over all images.
struct WeightGradientPart {
  const std::uint16_t* gradient = nullptr;  ///< of y, bfloat16, [positions, outChannels]
  const std::uint16_t* x = nullptr;         ///< [images, height, width, channels]
  std::int64_t firstBlock = 0, blocks = 1;  ///< of kGradientBlock output channels
  std::int64_t first = 0, last = 0;         ///< positions
  float* into = nullptr;                    ///< [blocks · kGradientBlock, kernel, kernel, channels]
  void* workspace = nullptr;                ///< of weightGradientWorkspace() bytes, aligned to 64
};

std::size_t weightGradientWorkspace();
/// For processors with avx512_bf16.
void addWeightGradient(const ConvolutionShape& shape, const WeightGradientPart& part);

}  // namespace resnet_torch::model
