#pragma once

#include <cstdint>
#include <vector>

namespace resnet_torch::train {

/// What a batch is, apart from its pixels: where its randomness is addressed.
struct BatchAddress {
  std::uint64_t epoch = 0;
  std::vector<std::int64_t> samples;  ///< data set index of each image
};

}  // namespace resnet_torch::train
