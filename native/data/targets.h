#pragma once

#include <cstdint>
#include <vector>

namespace resnet_torch::data {

/// What each image of a batch is taught: a class.
struct Targets {
  std::vector<std::int32_t> indices;  ///< of classes, one an image
};

}  // namespace resnet_torch::data
