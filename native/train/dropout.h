#pragma once

#include "core/tensor.h"

#include "model/network.h"
#include "train/batch_address.h"

namespace resnet_torch::train {

/// Dropout of a batch, a mask [n, width] for each hidden layer of the head, 0 or 1/(1 − p), where the model lies;
/// none without dropout. What is dropped depends on the seed and the address alone.
std::vector<at::Tensor> dropoutMasks(const model::Network& model, std::uint64_t seed, const BatchAddress& address);

}  // namespace resnet_torch::train
