#pragma once

#include "core/tensor.h"
#include "data/targets.h"

namespace resnet_torch::train {

/// data::Targets where a network's logits lie.
struct Targets {
  at::Tensor indices;  ///< int64 [n], each in [0, classes)
};

/// On the CPU. ERR_INVALID_ARGUMENT names the first index that is no class of the model.
Targets tensorsOf(const data::Targets& targets, std::int64_t classes);

}  // namespace resnet_torch::train
