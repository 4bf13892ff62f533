// Holds the kernel of weight gradients against sums in double precision, over shapes with every edge: odd numbers of
// positions, padding, strides, ranges that begin anywhere. Prints the largest error as a share of the root of the
// sum of squares of what was added up, and exits with 1 where a value outside the part was touched.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "model/vector/weight_gradient.h"

using namespace resnet_torch::model;

namespace {

using Bf16 = std::uint16_t;

constexpr float kUntouched = 7;

float wide(Bf16 value) {
  const std::uint32_t bits = std::uint32_t{value} << 16;
  float number;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

std::vector<Bf16> noise(std::int64_t count, std::mt19937& random) {
  std::vector<Bf16> values(static_cast<std::size_t>(count));
  std::normal_distribution<float> normal;
  for (auto& value : values) {
    const float number = normal(random);
    std::uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    value = static_cast<Bf16>(bits >> 16);
  }
  return values;
}

double largestError(const ConvolutionShape& shape, std::int64_t images, WeightGradientPart part,
                    std::mt19937& random) {
  const auto positions = images * shape.outHeight * shape.outWidth;
  const auto gradient = noise(positions * shape.outChannels, random);
  const auto x = noise(images * shape.height * shape.width * shape.channels, random);
  const auto taps = shape.kernel * shape.kernel, each = taps * shape.channels;
  const auto first = part.firstBlock * kGradientBlock, rows = part.blocks * kGradientBlock;
  std::vector<float> into(static_cast<std::size_t>((rows + 1) * each), kUntouched);
  part.gradient = gradient.data();
  part.x = x.data();
  part.into = into.data();
  part.workspace = std::aligned_alloc(64, (weightGradientWorkspace() + 63) / 64 * 64);
  addWeightGradient(shape, part);
  std::free(part.workspace);
  for (auto i = rows * each; i < (rows + 1) * each; ++i)
    if (into[static_cast<std::size_t>(i)] != kUntouched) std::exit(1);
  double worst = 0;
  for (std::int64_t row = 0; row < rows; row += 7) {
    for (std::int64_t at = 0; at < each; at += 3) {
      double sum = kUntouched, squares = 1;
      for (auto p = part.first; p < part.last; ++p) {
        const auto y =
            p / shape.outWidth % shape.outHeight * shape.stride - shape.padding + at / shape.channels / shape.kernel;
        const auto z = p % shape.outWidth * shape.stride - shape.padding + at / shape.channels % shape.kernel;
        if (y < 0 || z < 0 || y >= shape.height || z >= shape.width) continue;
        const auto image = p / (shape.outWidth * shape.outHeight);
        const auto from = ((image * shape.height + y) * shape.width + z) * shape.channels + at % shape.channels;
        const double term = double{wide(gradient[static_cast<std::size_t>(p * shape.outChannels + first + row)])} *
                            wide(x[static_cast<std::size_t>(from)]);
        sum += term;
        squares += term * term;
      }
      const double got = into[static_cast<std::size_t>(row * each + at)];
      worst = std::max(worst, std::abs(got - sum) / std::sqrt(squares));
    }
  }
  return worst;
}

}  // namespace

int main() {
  std::mt19937 random(1);
  double worst = 0;
  const auto run = [&](ConvolutionShape shape, std::int64_t images, WeightGradientPart part) {
    if (part.last == 0) part.last = images * shape.outHeight * shape.outWidth;
    worst = std::max(worst, largestError(shape, images, part, random));
  };
  run({3, 5, 64, 3, 5, 64, 1, 1, 0}, 1, {});
  run({7, 7, 128, 7, 7, 64, 3, 1, 1}, 3, {});
  run({8, 6, 64, 4, 3, 128, 3, 2, 1}, 5, {.firstBlock = 1});
  run({9, 9, 64, 5, 5, 256, 1, 2, 0}, 12, {.blocks = 4});
  run({14, 14, 64, 14, 14, 64, 3, 1, 1}, 2, {.first = 13, .last = 300});
  run({1, 1, 2048, 1, 1, 64, 1, 1, 0}, 1, {});
  run({2, 2, 64, 2, 2, 64, 3, 1, 1}, 2, {.first = 8, .last = 8});
  std::printf("%.3g\n", worst);
  return 0;
}
