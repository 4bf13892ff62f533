#include "data/normalise.h"

#include <array>

namespace resnet_torch::data {

namespace {

constexpr std::array<float, 3> kMean{0.485F, 0.456F, 0.406F};
constexpr std::array<float, 3> kDeviation{0.229F, 0.224F, 0.225F};

using Table = std::array<std::array<float, 256>, 3>;

constexpr Table makeTable() {
  Table table{};
  for (std::size_t channel = 0; channel < table.size(); ++channel)
    for (int value = 0; value < 256; ++value)
      table[channel][static_cast<std::size_t>(value)] =
          (static_cast<float>(value) / 255.0F - kMean[channel]) / kDeviation[channel];
  return table;
}

constexpr Table kTable = makeTable();

}  // namespace

Buffer<float> normalised(const Batch& batch) {
  Buffer<float> planes(batch.images.size());
  const auto pixels = static_cast<std::size_t>(batch.size * batch.size);
  const auto* from = batch.images.data();
  auto* to = planes.data();
  for (std::int64_t image = 0; image < batch.count; ++image, from += pixels * 3)
    for (std::size_t channel = 0; channel < 3; ++channel)
      for (std::size_t i = 0; i < pixels; ++i) *to++ = kTable[channel][from[i * 3 + channel]];
  return planes;
}

}  // namespace resnet_torch::data
