#include <cmath>

#include "data/view/transform.h"

namespace resnet_torch::data {

namespace {

using Kind = Parameter::Kind;
constexpr Parameter kParameters[] = {
    {"probability", Kind::kNumber, 0, 1},
    {"scale", Kind::kRange, 0, 1, true},
    {"ratio", Kind::kRange, 0, 1000, true},
};
enum : std::size_t { kProbability, kScaleLow, kScaleHigh, kRatioLow, kRatioHigh };

/// ImageNet's mean colour, 255 · (0.485, 0.456, 0.406), to the nearest byte: once normalised it is 0 but for half a
/// grey level, where torchvision writes 0 itself.
constexpr std::uint8_t kFill[3] = {124, 116, 104};

int sideOf(double area) {
  return static_cast<int>(std::nearbyint(std::sqrt(area)));  // halves to even, as Python's round()
}

void fill(Pixels view, int left, int top, int width, int height) {
  for (int y = top; y < top + height; ++y) {
    auto* pixel = view.data + (static_cast<std::size_t>(y) * view.size + left) * 3;
    for (int x = 0; x < width; ++x)
      for (const auto value : kFill) *pixel++ = value;
  }
}

/// torchvision's RandomErasing: a box of which the area's share of the view and height ÷ width are drawn, the second
/// by its logarithm, up to ten times until one is smaller than the view on both sides; none where none is.
void erase(std::span<const double> values, AddressedRandom random, Pixels view) {
  if (random.uniform() >= values[kProbability]) return;
  const double area = static_cast<double>(view.count());
  const double logLow = std::log(values[kRatioLow]), logHigh = std::log(values[kRatioHigh]);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.uniform(values[kScaleLow], values[kScaleHigh]);
    const double aspect = std::exp(random.uniform(logLow, logHigh));
    const int height = sideOf(target * aspect), width = sideOf(target / aspect);
    if (height >= view.size || width >= view.size) continue;
    const int top = static_cast<int>(random.below(view.size - height + 1));
    const int left = static_cast<int>(random.below(view.size - width + 1));
    return fill(view, left, top, width, height);
  }
}

}  // namespace

const Transform kRandomErasing{"randomErasing", Purpose::kErasing, kParameters, erase};

}  // namespace resnet_torch::data
