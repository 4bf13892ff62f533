#pragma once

#include <array>
#include <string_view>

namespace resnet_torch::model {

/// The 18 ordered parts of the network; what freezing, groups and drift speak of.
inline constexpr std::array<std::string_view, 18> kUnits = {
    "stem",     "layer1.0", "layer1.1", "layer1.2", "layer2.0", "layer2.1", "layer2.2", "layer2.3", "layer3.0",
    "layer3.1", "layer3.2", "layer3.3", "layer3.4", "layer3.5", "layer4.0", "layer4.1", "layer4.2", "head"};

/// All but the head.
inline constexpr int kBackboneUnits = static_cast<int>(kUnits.size()) - 1;

/// The unit of a tensor named as torchvision names it (`layer3.2.conv1.weight` → 10).
constexpr int unitOf(std::string_view tensor) {
  if (tensor.starts_with("fc.")) return static_cast<int>(kUnits.size()) - 1;
  for (std::size_t unit = 1; unit + 1 < kUnits.size(); ++unit)
    if (tensor.starts_with(kUnits[unit]) && tensor[kUnits[unit].size()] == '.') return static_cast<int>(unit);
  return 0;
}

}  // namespace resnet_torch::model
