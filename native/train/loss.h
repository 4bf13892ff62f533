#pragma once

#include "model/aten.h"

namespace resnet_torch::train {

/// Labels of [0, classes), int64 [n], from 32-bit ones; ERR_INVALID_ARGUMENT names the first that is out of range.
at::Tensor labelTensor(const std::vector<std::int32_t>& labels, std::int64_t classes);

/// The number that countTopK answers, int64 where the logits lie.
at::Tensor topKHits(const at::Tensor& logits, const at::Tensor& labels, std::int64_t k);

/// How many rows of `logits` have their label among the `k` highest; ties count as PyTorch's topk orders them.
std::int64_t countTopK(const at::Tensor& logits, const at::Tensor& labels, std::int64_t k);

/// Mean cross-entropy of logits [n, c] and targets int64 [n], as torch.nn.functional.cross_entropy, and its gradient.
struct CrossEntropy {
  double loss = 0;
  at::Tensor gradient;
};
CrossEntropy crossEntropy(const at::Tensor& logits, const at::Tensor& target);

}  // namespace resnet_torch::train
