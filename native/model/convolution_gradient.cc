#include "model/convolution_gradient.h"

#include <ATen/Parallel.h>
#include <ATen/record_function.h>

#include <algorithm>

#include "core/cpu.h"
#include "model/vector/weight_gradient.h"

namespace resnet_torch::model {

namespace {

#ifdef RESNET_TORCH_X86_KERNELS

/// Pieces that the work is cut into, whatever the number of threads, so that sums do not depend on it.
constexpr std::int64_t kPieces = 16;
/// A piece's sums should stay in a core's own cache.
constexpr std::int64_t kSumsBytes = 256 * 1024;

/// How a weight's gradient is cut: into groups of output channels, and where these are few into ranges of positions,
/// whose sums are added up in the end.
struct Cut {
  std::int64_t blocks = 1;  ///< of a group
  std::int64_t groups = 1, ranges = 1;
  std::int64_t positions = 0;  ///< of a range

  Cut(const ConvolutionShape& shape, std::int64_t count) {
    const auto all = shape.outChannels / kGradientBlock;
    const auto bytes =
        static_cast<std::int64_t>(sizeof(float)) * kGradientBlock * shape.kernel * shape.kernel * shape.channels;
    while (blocks < kMostGradientBlocks && all % (2 * blocks) == 0 && 2 * blocks * bytes <= kSumsBytes) blocks *= 2;
    groups = all / blocks;
    ranges = std::max<std::int64_t>(1, kPieces / groups);
    // Even, since positions are taken in pairs.
    positions = (count + 2 * ranges - 1) / (2 * ranges) * 2;
  }
};

bool isPacked(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 && x.device().is_cpu() && x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
         x.size(1) % kGradientBlock == 0;
}

/// oneDNN's own weight gradients reach half the speed of its convolutions with avx512_bf16. With AMX, which it knows
/// and this does not, they are left to it.
bool byOwnKernel(const at::Tensor& gradient, const at::Tensor& x, const ConvolutionSteps& steps) {
  static const bool fits = vectorSet() == VectorSet::kAvx512Bf16 && !hasAmxBf16();
  return fits && steps.groups == 1 && isPacked(gradient) && isPacked(x) && gradient.numel() > 0;
}

/// In float32, laid out as `weight` is.
at::Tensor weightGradient(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                          const ConvolutionSteps& steps) {
  RECORD_FUNCTION("resnet_torch::weightGradient", std::vector<c10::IValue>());
  const ConvolutionShape shape{x.size(2),        x.size(3),      x.size(1),    gradient.size(2), gradient.size(3),
                               gradient.size(1), weight.size(2), steps.stride, steps.padding};
  const auto count = gradient.size(0) * shape.outHeight * shape.outWidth;
  const Cut cut(shape, count);
  const auto numbers = weight.numel(), each = numbers / cut.groups;
  const auto floats = weight.options().dtype(at::kFloat);
  const auto sums = at::empty({cut.ranges, numbers}, floats);
  const auto* from = static_cast<const std::uint16_t*>(gradient.const_data_ptr());
  const auto* values = static_cast<const std::uint16_t*>(x.const_data_ptr());
  auto* to = sums.mutable_data_ptr<float>();
  at::parallel_for(0, cut.groups * cut.ranges, 1, [&](std::int64_t begin, std::int64_t end) {
    const auto workspace = at::empty({static_cast<std::int64_t>(weightGradientWorkspace())}, at::kByte);
    for (auto piece = begin; piece < end; ++piece) {
      const auto group = piece / cut.ranges, range = piece % cut.ranges;
      WeightGradientPart part;
      part.gradient = from;
      part.x = values;
      part.firstBlock = group * cut.blocks;
      part.blocks = cut.blocks;
      part.first = std::min(range * cut.positions, count);
      part.last = std::min(part.first + cut.positions, count);
      part.into = to + range * numbers + group * each;
      part.workspace = workspace.mutable_data_ptr();
      std::fill(part.into, part.into + each, 0.0F);
      addWeightGradient(shape, part);
    }
  });
  // Its memory has the order of a channels-last weight.
  const auto summed = cut.ranges == 1 ? sums.view({numbers}) : sums.sum(0);
  return summed.view({weight.size(0), weight.size(2), weight.size(3), weight.size(1)}).permute({0, 3, 1, 2});
}

#endif

}  // namespace

ConvolutionGradients convolutionGradients(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                                          const ConvolutionSteps& steps, bool wantInput, bool wantWeight) {
  ConvolutionGradients answer;
#ifdef RESNET_TORCH_X86_KERNELS
  if (wantWeight && byOwnKernel(gradient, x, steps)) {
    answer.weight = weightGradient(gradient, x, weight, steps);
    wantWeight = false;
  }
#endif
  if (wantInput || wantWeight) {
    auto [input, weightGradient, bias] = at::convolution_backward(
        gradient, x, weight, at::OptionalIntArrayRef(), {steps.stride, steps.stride}, {steps.padding, steps.padding},
        {1, 1}, false, {0, 0}, steps.groups, {wantInput, wantWeight, false});
    answer.input = input;
    if (wantWeight) answer.weight = weightGradient;
  }
  return answer;
}

}  // namespace resnet_torch::model
