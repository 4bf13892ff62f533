#pragma once

#include <algorithm>
#include <cstddef>

#include "data/view/transform.h"

namespace resnet_torch::data {

/// Pixels that are worked on together: their colours lie in planes, which a compiler can vectorise over.
constexpr std::size_t kBlockPixels = 256;

struct Planes {
  alignas(64) float red[kBlockPixels], green[kBlockPixels], blue[kBlockPixels];
};

/// Calls `change(planes)` for each block of a view, and writes back what it leaves in the planes, which must be from
/// 0 to below 256: fractions are cut off, as a conversion to bytes does in PyTorch. Of the last block the rest is
/// repeated pixels.
template <class Change>
inline __attribute__((always_inline)) void changeByBlocks(Pixels view, const Change& change) {
  Planes planes;
  for (std::size_t at = 0; at < view.count(); at += kBlockPixels) {
    auto* const block = view.data + at * 3;
    const std::size_t count = std::min(kBlockPixels, view.count() - at);
    for (std::size_t i = 0; i < count; ++i) {
      planes.red[i] = block[3 * i];
      planes.green[i] = block[3 * i + 1];
      planes.blue[i] = block[3 * i + 2];
    }
    for (std::size_t i = count; i < kBlockPixels; ++i) {
      planes.red[i] = planes.red[0];
      planes.green[i] = planes.green[0];
      planes.blue[i] = planes.blue[0];
    }
    change(planes);
    for (std::size_t i = 0; i < count; ++i) {
      block[3 * i] = static_cast<std::uint8_t>(planes.red[i]);
      block[3 * i + 1] = static_cast<std::uint8_t>(planes.green[i]);
      block[3 * i + 2] = static_cast<std::uint8_t>(planes.blue[i]);
    }
  }
}

/// x + factor · y, rounded once, as PyTorch's `add(y, alpha=factor)` is on processors that have such an instruction:
/// of values of 24 bits that are no further apart, the double product and sum are exact.
inline __attribute__((always_inline)) float addScaled(float x, float y, float factor) {
  return static_cast<float>(static_cast<double>(x) + static_cast<double>(y) * static_cast<double>(factor));
}

/// The grey level of a pixel, as torchvision's `rgb_to_grayscale` of bytes; a whole number.
inline __attribute__((always_inline)) float greyLevel(float red, float green, float blue) {
  const float level = addScaled(addScaled(red * 0.2989F, green, 0.587F), blue, 0.114F);
  return static_cast<float>(static_cast<int>(level));
}

}  // namespace resnet_torch::data
