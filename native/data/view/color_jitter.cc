#include <array>
#include <cmath>
#include <utility>

#include "data/view/planes.h"
#include "data/wide.h"

namespace resnet_torch::data {

namespace {

using Kind = Parameter::Kind;
constexpr Parameter kParameters[] = {
    {"brightness", Kind::kRange, 0, 1000},
    {"contrast", Kind::kRange, 0, 1000},
    {"saturation", Kind::kRange, 0, 1000},
    {"hue", Kind::kRange, -0.5, 0.5},
};

float clampToByte(float value) {
  return std::min(std::max(value, 0.0F), 255.0F);
}

/// value · factor + other · share, byte by byte.
RESNET_TORCH_WIDE void blend(Pixels view, float factor, float other, float share) {
  auto* const bytes = view.data;
  const std::size_t count = view.count() * 3;
  for (std::size_t i = 0; i < count; ++i)
    bytes[i] = static_cast<std::uint8_t>(clampToByte(addScaled(static_cast<float>(bytes[i]) * factor, other, share)));
}

/// torchvision's adjust_brightness.
void adjustBrightness(Pixels view, double factor) {
  blend(view, static_cast<float>(factor), 0, 0);
}

/// Over the view, as torch.mean takes it.
RESNET_TORCH_WIDE float meanGrey(Pixels view) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < view.count(); ++i) {
    const auto* pixel = view.data + 3 * i;
    sum += static_cast<int>(greyLevel(pixel[0], pixel[1], pixel[2]));
  }
  return static_cast<float>(sum) / static_cast<float>(view.count());
}

/// torchvision's adjust_contrast: towards the mean grey level.
void adjustContrast(Pixels view, double factor) {
  blend(view, static_cast<float>(factor), meanGrey(view), static_cast<float>(1 - factor));
}

/// torchvision's adjust_saturation: towards each pixel's own grey level.
RESNET_TORCH_WIDE void adjustSaturation(Pixels view, double factor) {
  const auto own = static_cast<float>(factor), share = static_cast<float>(1 - factor);
  changeByBlocks(view, [=](Planes& planes) {
    for (std::size_t i = 0; i < kBlockPixels; ++i) {
      const float grey = greyLevel(planes.red[i], planes.green[i], planes.blue[i]);
      planes.red[i] = clampToByte(addScaled(planes.red[i] * own, grey, share));
      planes.green[i] = clampToByte(addScaled(planes.green[i] * own, grey, share));
      planes.blue[i] = clampToByte(addScaled(planes.blue[i] * own, grey, share));
    }
  });
}

float clampToOne(float value) {
  return std::min(std::max(value, 0.0F), 1.0F);
}

/// Turns one pixel's hue by `turn` of the circle, through HSV and back; each step rounded as torchvision's is.
inline __attribute__((always_inline)) void turnHue(float& red, float& green, float& blue, float turn) {
  constexpr float kToUnit = 1.0F / 255, kToByte = 255.999F, kSixth = 1.0F / 6;
  const float r = red * kToUnit, g = green * kToUnit, b = blue * kToUnit;
  const float most = std::max(std::max(r, g), b), least = std::min(std::min(r, g), b);
  const float range = most - least;
  const bool grey = range == 0;
  const float divisor = grey ? 1.0F : range;
  const float saturation = range / (grey ? 1.0F : most);
  const float fromRed = (most - r) / divisor, fromGreen = (most - g) / divisor, fromBlue = (most - b) / divisor;
  const float sector = most == r   ? fromBlue - fromGreen
                       : most == g ? fromRed + 2 - fromBlue
                                   : fromGreen + 4 - fromRed;
  float hue = sector * kSixth + 1;
  hue = hue >= 1 ? hue - 1 : hue;
  hue += turn;
  hue = hue >= 1 ? hue - 1 : hue < 0 ? hue + 1 : hue;
  const float six = hue * 6;
  const int whole = static_cast<int>(six);
  const float part = six - static_cast<float>(whole);
  const float fall = saturation * part, rest = 1 - saturation;
  const float p = clampToOne(rest * most), q = clampToOne((1 - fall) * most), t = clampToOne((fall + rest) * most);
  // 6 is where a hue just below 0 was rounded to a whole turn.
  red = (whole == 1 ? q : whole == 2 || whole == 3 ? p : whole == 4 ? t : most) * kToByte;
  green = (whole == 0 || whole == 6 ? t : whole == 3 ? q : whole == 4 || whole == 5 ? p : most) * kToByte;
  blue = (whole == 2 ? t : whole == 3 || whole == 4 ? most : whole == 5 ? q : p) * kToByte;
}

/// torchvision's adjust_hue.
RESNET_TORCH_WIDE void adjustHue(Pixels view, double turn) {
  const auto by = static_cast<float>(turn);
  changeByBlocks(view, [=](Planes& planes) {
    for (std::size_t i = 0; i < kBlockPixels; ++i) turnHue(planes.red[i], planes.green[i], planes.blue[i], by);
  });
}

/// What an adjustment does by itself at the factor that changes nothing, it is spared.
struct Adjustment {
  void (*apply)(Pixels view, double factor);
  double neutral;
};
constexpr Adjustment kAdjustments[] = {
    {adjustBrightness, 1}, {adjustContrast, 1}, {adjustSaturation, 1}, {adjustHue, 0}};

/// torchvision's ColorJitter: four factors, each uniform in its range, in an order that is drawn. A range that is one
/// neutral factor leaves its adjustment out, as `None` does there.
void jitter(std::span<const double> values, AddressedRandom random, Pixels view) {
  std::array<std::size_t, 4> order{0, 1, 2, 3};
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(left)))]);
  std::array<double, 4> factors{};
  for (std::size_t i = 0; i < factors.size(); ++i) factors[i] = random.uniform(values[2 * i], values[2 * i + 1]);
  for (const auto each : order) {
    const auto& [apply, neutral] = kAdjustments[each];
    if (values[2 * each] != neutral || values[2 * each + 1] != neutral) apply(view, factors[each]);
  }
}

}  // namespace

const Transform kColorJitter{"colorJitter", Purpose::kColorJitter, kParameters, jitter};

}  // namespace resnet_torch::data
