#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace resnet_torch::model {

/// torchvision's two kinds: BasicBlock, two 3×3 convolutions with the stride on the first; Bottleneck, 1×1, 3×3 and
/// 1×1 with the stride on the 3×3 (v1.5).
enum class BlockKind { kBasic, kBottleneck };

/// A row of the table: what torchvision's ResNet constructor is told.
struct ArchitectureRow {
  std::string_view name;  ///< torchvision's name of the function
  BlockKind block = BlockKind::kBottleneck;
  std::array<int, 4> blocks{};  ///< of each stage
  std::int64_t groups = 1;      ///< of a bottleneck's 3×3 convolution
  std::int64_t widthPerGroup = 64;
};

/// A convolution without bias and the BatchNorm behind it, by module name. The weight is [out, in / groups, k, k].
struct ConvolutionPlan {
  std::string name, norm;
  std::int64_t in = 0, out = 0, kernel = 1, stride = 1, groups = 1;
  std::int64_t padding() const { return kernel / 2; }
};

/// A residual block, which is one unit.
struct BlockPlan {
  std::vector<ConvolutionPlan> convolutions;  ///< in order: two or three
  std::optional<ConvolutionPlan> downsample;  ///< of the shortcut
  std::int64_t outputs() const { return convolutions.back().out; }
};

/// A member of torchvision's ResNet family: a row of the table, and all that follows from it. The network is a row of
/// units, which freezing, groups and drift speak of: the stem, the residual blocks (`layer1.0` …) and the head.
class Architecture {
 public:
  explicit Architecture(const ArchitectureRow& row);

  std::string_view name() const { return row_.name; }

  /// Names of all units, `stem` to `head`.
  const std::vector<std::string>& units() const { return units_; }
  const std::string& unitName(int unit) const { return units_.at(static_cast<std::size_t>(unit)); }
  /// All units but the head.
  int backboneUnits() const { return static_cast<int>(units_.size()) - 1; }
  /// The unit of a tensor named as torchvision names it (a ResNet-50's `layer3.2.conv1.weight` → 10).
  int unitOf(std::string_view tensor) const;

  /// conv1 and bn1, which ReLU and a max-pooling of stride 2 follow.
  const ConvolutionPlan& stem() const { return stem_; }
  /// The block that is unit 1 … backboneUnits() − 1.
  const BlockPlan& block(int unit) const { return blocks_.at(static_cast<std::size_t>(unit - 1)); }

  /// Channels of the last block, which the head is given averaged.
  std::int64_t features() const { return blocks_.back().outputs(); }
  /// The side of what the last block makes of an image of a side of `size`.
  std::int64_t lastSide(std::int64_t size) const { return sideAfter(backboneUnits(), size); }
  /// Sizes [c, h, w] of what the first `units` ≥ 1 units make of an image of a side of `size`; [features] after the
  /// whole backbone, pooled.
  std::vector<std::int64_t> outputSizes(int units, std::int64_t size) const;

 private:
  std::int64_t sideAfter(int units, std::int64_t size) const;

  ArchitectureRow row_;
  std::vector<std::string> units_;
  ConvolutionPlan stem_;
  std::vector<BlockPlan> blocks_;
};

/// backboneUnits() of the deepest member.
int mostBackboneUnits();

/// The member of that name, which lives as long as the process; ERR_INVALID_ARGUMENT, with all names, where there is
/// none.
const Architecture& architecture(std::string_view name);

}  // namespace resnet_torch::model
