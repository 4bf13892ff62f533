#include "model/architecture.h"

#include <algorithm>

#include "core/errors.h"

namespace resnet_torch::model {

namespace {

constexpr std::array kRows = {
    ArchitectureRow{"resnet18", BlockKind::kBasic, {2, 2, 2, 2}, 1, 64},
    ArchitectureRow{"resnet34", BlockKind::kBasic, {3, 4, 6, 3}, 1, 64},
    ArchitectureRow{"resnet50", BlockKind::kBottleneck, {3, 4, 6, 3}, 1, 64},
    ArchitectureRow{"resnet101", BlockKind::kBottleneck, {3, 4, 23, 3}, 1, 64},
    ArchitectureRow{"resnet152", BlockKind::kBottleneck, {3, 8, 36, 3}, 1, 64},
    ArchitectureRow{"resnext50_32x4d", BlockKind::kBottleneck, {3, 4, 6, 3}, 32, 4},
    ArchitectureRow{"resnext101_32x8d", BlockKind::kBottleneck, {3, 4, 23, 3}, 32, 8},
    ArchitectureRow{"resnext101_64x4d", BlockKind::kBottleneck, {3, 4, 23, 3}, 64, 4},
    ArchitectureRow{"wide_resnet50_2", BlockKind::kBottleneck, {3, 4, 6, 3}, 1, 128},
    ArchitectureRow{"wide_resnet101_2", BlockKind::kBottleneck, {3, 4, 23, 3}, 1, 128},
};

constexpr std::int64_t kImageChannels = 3, kStemChannels = 64, kPoolingStride = 2;
/// Channels of each stage's convolutions, before a bottleneck's own factors.
constexpr std::array<std::int64_t, 4> kPlanes = {64, 128, 256, 512};
constexpr std::int64_t kExpansion = 4;  ///< of a bottleneck
constexpr std::int64_t kWidthUnit = 64;

/// Convolutions of a block whose input has `in` channels.
BlockPlan planBlock(const ArchitectureRow& row, const std::string& name, std::int64_t in, std::int64_t planes,
                    std::int64_t stride) {
  const std::string prefix = name + ".";
  BlockPlan plan;
  if (row.block == BlockKind::kBasic) {
    plan.convolutions = {{prefix + "conv1", prefix + "bn1", in, planes, 3, stride, 1},
                         {prefix + "conv2", prefix + "bn2", planes, planes, 3, 1, 1}};
  } else {
    const auto width = planes * row.widthPerGroup / kWidthUnit * row.groups;
    plan.convolutions = {{prefix + "conv1", prefix + "bn1", in, width, 1, 1, 1},
                         {prefix + "conv2", prefix + "bn2", width, width, 3, stride, row.groups},
                         {prefix + "conv3", prefix + "bn3", width, planes * kExpansion, 1, 1, 1}};
  }
  if (stride != 1 || in != plan.outputs())
    plan.downsample = {prefix + "downsample.0", prefix + "downsample.1", in, plan.outputs(), 1, stride, 1};
  return plan;
}

/// Of a convolution or pooling that keeps all places at stride 1.
std::int64_t strided(std::int64_t side, std::int64_t stride) {
  return (side + stride - 1) / stride;
}

}  // namespace

Architecture::Architecture(const ArchitectureRow& row)
    : row_(row), units_{"stem"}, stem_{"conv1", "bn1", kImageChannels, kStemChannels, 7, 2, 1} {
  auto channels = stem_.out;
  for (std::size_t stage = 0; stage < row.blocks.size(); ++stage) {
    for (int index = 0; index < row.blocks[stage]; ++index) {
      units_.push_back("layer" + std::to_string(stage + 1) + "." + std::to_string(index));
      blocks_.push_back(planBlock(row, units_.back(), channels, kPlanes[stage], stage > 0 && index == 0 ? 2 : 1));
      channels = blocks_.back().outputs();
    }
  }
  units_.emplace_back("head");
}

int Architecture::unitOf(std::string_view tensor) const {
  if (tensor.starts_with("fc.")) return backboneUnits();
  for (int unit = 1; unit < backboneUnits(); ++unit) {
    const auto& name = unitName(unit);
    if (tensor.starts_with(name) && tensor[name.size()] == '.') return unit;
  }
  return 0;
}

std::int64_t Architecture::sideAfter(int units, std::int64_t size) const {
  auto side = strided(strided(size, stem_.stride), kPoolingStride);
  for (int unit = 1; unit < units; ++unit)
    for (const auto& convolution : block(unit).convolutions) side = strided(side, convolution.stride);
  return side;
}

std::vector<std::int64_t> Architecture::outputSizes(int units, std::int64_t size) const {
  if (units == backboneUnits()) return {features()};
  const auto side = sideAfter(units, size);
  return {units == 1 ? stem_.out : block(units - 1).outputs(), side, side};
}

namespace {

const std::vector<Architecture>& family() {
  static const std::vector<Architecture> all(kRows.begin(), kRows.end());
  return all;
}

}  // namespace

int mostBackboneUnits() {
  int most = 0;
  for (const auto& each : family()) most = std::max(most, each.backboneUnits());
  return most;
}

const Architecture& architecture(std::string_view name) {
  for (const auto& each : family())
    if (each.name() == name) return each;
  std::string names;
  for (const auto& row : kRows) names += (names.empty() ? "" : ", ") + std::string(row.name);
  throw Error("ERR_INVALID_ARGUMENT",
              "There is no architecture \"" + std::string(name) + "\": arch is one of " + names);
}

}  // namespace resnet_torch::model
