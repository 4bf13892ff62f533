#pragma once

#include <string>

namespace resnet_torch::model {

class Network;

/// 32 hexadecimal digits over the architecture and the name, dtype, shape and every byte of each tensor (BatchNorm's
/// statistics too) of the first `units` units, in order. The model must be initialised.
std::string prefixHash(const Network& model, int units);

}  // namespace resnet_torch::model
