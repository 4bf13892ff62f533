#include "train/loss.h"

#include <algorithm>

#include "core/errors.h"

namespace resnet_torch::train {

at::Tensor labelTensor(const std::vector<std::int32_t>& labels, std::int64_t classes) {
  auto tensor = at::empty({static_cast<std::int64_t>(labels.size())}, at::kLong);
  auto* to = tensor.mutable_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes)
      throw Error("ERR_INVALID_ARGUMENT", "labels[" + std::to_string(i) + "] is " + std::to_string(labels[i]) +
                                              ", and the model has " + std::to_string(classes) + " classes");
    to[i] = labels[i];
  }
  return tensor;
}

at::Tensor topKHits(const at::Tensor& logits, const at::Tensor& labels, std::int64_t k) {
  const auto best = std::get<1>(logits.topk(std::min(k, logits.size(1)), 1));
  return best.eq(labels.unsqueeze(1)).sum();
}

std::int64_t countTopK(const at::Tensor& logits, const at::Tensor& labels, std::int64_t k) {
  return topKHits(logits, labels, k).item<std::int64_t>();
}

CrossEntropy crossEntropy(const at::Tensor& logits, const at::Tensor& target) {
  const auto logProbabilities = logits.log_softmax(1);
  const auto index = target.unsqueeze(1);
  const auto rows = static_cast<double>(logits.size(0));
  CrossEntropy answer;
  answer.loss = -logProbabilities.gather(1, index).sum().item<double>() / rows;
  answer.gradient = logProbabilities.exp();
  answer.gradient.scatter_add_(1, index, at::full_like(index, -1, logits.options()));
  answer.gradient.div_(rows);
  return answer;
}

}  // namespace resnet_torch::train
