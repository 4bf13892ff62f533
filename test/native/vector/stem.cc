// Holds the stem's kernel against the convolution, the ReLU and the pooling written out in double precision, for
// whole images and bands of rows, over even and odd sizes. Prints the largest error as a share of the largest value.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "model/vector/stem.h"

using namespace resnet_torch::model;

namespace {

float wide(std::uint16_t value) {
  const std::uint32_t bits = std::uint32_t{value} << 16;
  float number;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

std::vector<std::uint16_t> noise(std::int64_t count, std::mt19937& random) {
  std::vector<std::uint16_t> values(static_cast<std::size_t>(count));
  std::normal_distribution<float> normal;
  for (auto& value : values) {
    const float number = normal(random);
    std::uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    value = static_cast<std::uint16_t>(bits >> 16);
  }
  return values;
}

double largestError(const StemShape& shape, std::int64_t band, std::mt19937& random) {
  const auto image = noise(shape.height * shape.width * 3, random), weight = noise(64 * 3 * 49, random);
  std::vector<float> bias(64);
  for (auto& value : bias) value = static_cast<float>(random() % 100) / 10 - 5;
  std::vector<std::uint16_t> packed(kPackedStemValues), out(shape.outHeight() * shape.outWidth() * 64);
  packStem(weight.data(), packed.data());
  for (std::int64_t first = 0; first < shape.outHeight(); first += band) {
    const auto last = std::min(first + band, shape.outHeight());
    void* memory = std::aligned_alloc(64, (stemWorkspace(shape, last - first) + 63) / 64 * 64);
    runStem(shape, image.data(), packed.data(), bias.data(), first, last, out.data(), memory);
    std::free(memory);
  }
  double worst = 0, largest = 0;
  for (int channel = 0; channel < 64; channel += 5) {
    std::vector<double> convolved(shape.convolvedHeight() * shape.convolvedWidth());
    for (std::int64_t row = 0; row < shape.convolvedHeight(); ++row) {
      for (std::int64_t column = 0; column < shape.convolvedWidth(); ++column) {
        double sum = bias[channel];
        for (int tap = 0; tap < 147; ++tap) {
          const std::int64_t input = tap / 49, y = 2 * row - 3 + tap % 49 / 7, x = 2 * column - 3 + tap % 7;
          if (y < 0 || x < 0 || y >= shape.height || x >= shape.width) continue;
          sum += double{wide(weight[channel * 147 + tap])} * wide(image[(y * shape.width + x) * 3 + input]);
        }
        convolved[row * shape.convolvedWidth() + column] = std::max(sum, 0.0);
      }
    }
    for (std::int64_t row = 0; row < shape.outHeight(); ++row) {
      for (std::int64_t column = 0; column < shape.outWidth(); ++column) {
        double best = 0;
        for (int tap = 0; tap < 9; ++tap) {
          const std::int64_t y = 2 * row - 1 + tap / 3, x = 2 * column - 1 + tap % 3;
          if (y < 0 || x < 0 || y >= shape.convolvedHeight() || x >= shape.convolvedWidth()) continue;
          best = std::max(best, convolved[y * shape.convolvedWidth() + x]);
        }
        largest = std::max(largest, best);
        worst = std::max(worst, std::abs(best - wide(out[(row * shape.outWidth() + column) * 64 + channel])));
      }
    }
  }
  return worst / largest;
}

}  // namespace

int main() {
  std::mt19937 random(1);
  double worst = 0;
  const StemShape shapes[] = {{224, 224}, {64, 64}, {33, 47}, {34, 31}, {1, 1}, {7, 2}, {2, 9}};
  for (const auto& shape : shapes)
    for (const std::int64_t band : {shape.outHeight(), std::int64_t{3}})
      worst = std::max(worst, largestError(shape, band, random));
  std::printf("%.3g\n", worst);
  return 0;
}
