#include "data/view/geometry.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/rng.h"

namespace resnet_torch::data {

namespace {

/// Python's round(): halves go to the even neighbour, as the default rounding mode has it.
int roundHalfEven(double value) {
  return static_cast<int>(std::nearbyint(value));
}

/// torchvision's RandomResizedCrop.get_params.
Box randomBox(const CropOptions& options, int width, int height, const Address& address) {
  AddressedRandom random(address.seed, address.epoch, address.index, Purpose::kCrop);
  const double area = static_cast<double>(width) * height;
  const double logLow = std::log(options.ratio[0]), logHigh = std::log(options.ratio[1]);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.uniform(options.scale[0], options.scale[1]);
    const double aspect = std::exp(random.uniform(logLow, logHigh));
    const int w = roundHalfEven(std::sqrt(target * aspect));
    const int h = roundHalfEven(std::sqrt(target / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const int top = static_cast<int>(random.below(height - h + 1));
      const int left = static_cast<int>(random.below(width - w + 1));
      return {left, top, w, h};
    }
  }
  // The largest centred box whose sides are in the allowed ratio.
  const double whole = static_cast<double>(width) / height;
  int w = width, h = height;
  if (whole < options.ratio[0]) {
    h = roundHalfEven(w / options.ratio[0]);
  } else if (whole > options.ratio[1]) {
    w = roundHalfEven(h * options.ratio[1]);
  }
  w = std::clamp(w, 1, width);
  h = std::clamp(h, 1, height);
  return {(width - w) / 2, (height - h) / 2, w, h};
}

/// Where a centred crop of `size` begins in a side of `length`, as torchvision's center_crop rounds it; negative
/// where the crop is larger and zeros are put around.
int centerOffset(int length, int size) {
  if (length < size) return -((size - length) / 2);
  return roundHalfEven((length - size) / 2.0);
}

View centerView(const CropOptions& options, int width, int height) {
  const int shorter = std::min(width, height), longer = std::max(width, height);
  // torchvision's Resize(int): the long side is truncated. checkSize() keeps it far below what an int holds.
  const double exact = static_cast<double>(static_cast<std::int64_t>(options.resize) * longer) / shorter;
  if (exact >= static_cast<double>(std::numeric_limits<int>::max()))
    throw std::runtime_error("its sides, " + std::to_string(width) + "×" + std::to_string(height) +
                             " pixels, are too unequal");
  const int scaled = static_cast<int>(exact);
  View view;
  view.box = {0, 0, width, height};
  view.width = width <= height ? options.resize : scaled;
  view.height = width <= height ? scaled : options.resize;
  view.left = centerOffset(view.width, options.size);
  view.top = centerOffset(view.height, options.size);
  return view;
}

bool happens(double probability, const Address& address, Purpose purpose) {
  return probability > 0 &&
         AddressedRandom(address.seed, address.epoch, address.index, purpose).uniform() < probability;
}

}  // namespace

bool flipOf(const CropOptions& options, const Address& address) {
  return happens(options.flip, address, Purpose::kFlip);
}

bool verticalFlipOf(const CropOptions& options, const Address& address) {
  return happens(options.verticalFlip, address, Purpose::kVerticalFlip);
}

void flipRows(std::uint8_t* pixels, int size) {
  const auto stride = static_cast<std::size_t>(size) * 3;
  for (int top = 0, bottom = size - 1; top < bottom; ++top, --bottom) {
    auto* const row = pixels + static_cast<std::size_t>(top) * stride;
    std::swap_ranges(row, row + stride, pixels + static_cast<std::size_t>(bottom) * stride);
  }
}

View viewOf(const CropOptions& options, int width, int height, const Address& address) {
  View view;
  if (options.kind == CropOptions::Kind::kRandom) {
    view.box = randomBox(options, width, height, address);
    view.width = view.height = options.size;
  } else {
    view = centerView(options, width, height);
  }
  view.size = options.size;
  view.flip = flipOf(options, address);
  return view;
}

}  // namespace resnet_torch::data
