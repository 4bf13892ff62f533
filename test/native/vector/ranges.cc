// Holds model/convolution_gradient, which cuts a weight's gradient into groups and ranges and adds the ranges up,
// against float64, with a plain kernel in the place of that for avx512_bf16, so that any processor can run it. Prints
// the largest distance, as a share of the gradient.

#include <cstdio>

#include "core/cpu.h"
#include "model/aten.h"
#include "model/convolution_gradient.h"
#include "model/vector/weight_gradient.h"

namespace {

int calls = 0;

float wide(std::uint16_t value) {
  return static_cast<float>(c10::BFloat16(value, c10::BFloat16::from_bits()));
}

}  // namespace

namespace resnet_torch {

VectorSet vectorSet() {
  return VectorSet::kAvx512Bf16;
}
bool hasAmxBf16() {
  return false;
}

namespace model {

std::size_t weightGradientWorkspace() {
  return 64;
}

void addWeightGradient(const ConvolutionShape& shape, const WeightGradientPart& part) {
  ++calls;
  const auto taps = shape.kernel * shape.kernel;
  for (auto p = part.first; p < part.last; ++p) {
    const auto column = p % shape.outWidth, row = p / shape.outWidth % shape.outHeight;
    const auto image = p / (shape.outWidth * shape.outHeight);
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const auto y = row * shape.stride - shape.padding + tap / shape.kernel;
      const auto z = column * shape.stride - shape.padding + tap % shape.kernel;
      if (y < 0 || z < 0 || y >= shape.height || z >= shape.width) continue;
      const auto* x = part.x + ((image * shape.height + y) * shape.width + z) * shape.channels;
      for (std::int64_t out = 0; out < part.blocks * kGradientBlock; ++out) {
        const float g = wide(part.gradient[p * shape.outChannels + part.firstBlock * kGradientBlock + out]);
        auto* into = part.into + (out * taps + tap) * shape.channels;
        for (std::int64_t c = 0; c < shape.channels; ++c) into[c] += g * wide(x[c]);
      }
    }
  }
}

}  // namespace model

}  // namespace resnet_torch

int main() {
  namespace model = resnet_torch::model;
  struct Shape {
    std::int64_t images, in, out, size, kernel, stride;
    bool ranges;  ///< whether positions are cut
  };
  double worst = 0;
  at::globalContext().setDeterministicAlgorithms(true, false);
  at::set_num_threads(1);
  for (const auto& [images, in, out, size, kernel, stride, ranges] :
       {Shape{3, 64, 64, 9, 1, 1, true}, Shape{2, 64, 128, 7, 3, 1, true}, Shape{2, 128, 64, 8, 3, 2, true},
        Shape{1, 64, 64, 1, 1, 1, true}, Shape{2, 64, 2048, 3, 1, 1, false}}) {
    const auto options = at::TensorOptions().dtype(at::kFloat);
    const auto padding = kernel / 2, outSize = (size + 2 * padding - kernel) / stride + 1;
    const auto narrow = [&](at::IntArrayRef sizes) {
      // Of a mean far from 0, so that roundings of the sums would show.
      return at::randn(sizes, options).add_(2).to(at::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
    };
    const auto x = narrow({images, in, size, size}), g = narrow({images, out, outSize, outSize});
    const auto weight = at::randn({out, in, kernel, kernel}, options).contiguous(at::MemoryFormat::ChannelsLast);
    calls = 0;
    const auto found = model::convolutionGradients(g, x, weight, {stride, padding}, false, true).weight;
    const auto cut = calls;
    const auto expected = std::get<1>(at::convolution_backward(
        g.to(at::kDouble), x.to(at::kDouble), weight.to(at::kDouble), at::OptionalIntArrayRef(), {stride, stride},
        {padding, padding}, {1, 1}, false, {0, 0}, 1, {false, true, false}));
    if (found.scalar_type() != at::kFloat || cut < 2) return 1;
    if (ranges && cut <= out / model::kGradientBlock) return 1;
    const auto off = (found.to(at::kDouble) - expected).norm() / expected.norm();
    worst = std::max(worst, off.item<double>());
  }
  std::printf("%.3g\n", worst);
  return 0;
}
