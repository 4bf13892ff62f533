#pragma once

#include <cstddef>
#include <cstdint>

#include "data/view/geometry.h"

namespace resnet_torch::data {

/// EXIF's orientation, 1 to 8: how stored pixels are turned and mirrored to be displayed. 5 to 8 swap the sides.
constexpr bool swapsSides(int orientation) {
  return orientation >= 5;
}

/// Whether a displayed axis runs against the stored axis that it lies on.
struct Reversed {
  bool x, y;
};
Reversed reversedAxes(int orientation);

/// The stored rectangle that shows as `box`, in an image of `width`×`height` stored pixels.
Box storedBox(const Box& box, int orientation, int width, int height);

/// Where displayed pixel (x, y) lies in a stored rectangle of `width`×`height` pixels: at offset + x·stepX + y·stepY.
struct PixelWalk {
  std::ptrdiff_t offset = 0, stepX = 0, stepY = 0;
};
PixelWalk displayWalk(int orientation, int width, int height);

/// The orientation that an EXIF block ("II*\0…" or "MM\0*…") gives; 1 where it gives none or a broken one.
int exifOrientation(const std::uint8_t* tiff, std::size_t size);

}  // namespace resnet_torch::data
