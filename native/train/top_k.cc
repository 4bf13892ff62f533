#include "train/top_k.h"

#include <algorithm>

namespace resnet_torch::train {

at::Tensor topKHits(const at::Tensor& logits, const at::Tensor& labels, std::int64_t k) {
  const auto best = std::get<1>(logits.topk(std::min(k, logits.size(1)), 1));
  return best.eq(labels.unsqueeze(1)).sum();
}

std::int64_t countTopK(const at::Tensor& logits, const at::Tensor& labels, std::int64_t k) {
  return topKHits(logits, labels, k).item<std::int64_t>();
}

}  // namespace resnet_torch::train
