#pragma once

#include "core/tensor.h"

namespace resnet_torch::train {

/// The number that countTopK answers, int64 where the logits lie.
at::Tensor topKHits(const at::Tensor& logits, const at::Tensor& labels, std::int64_t k);

/// How many rows of `logits` have their label among the `k` highest; ties count as PyTorch's topk orders them.
std::int64_t countTopK(const at::Tensor& logits, const at::Tensor& labels, std::int64_t k);

}  // namespace resnet_torch::train
