#include "train/losses/loss.h"

namespace resnet_torch::train {

namespace {

/// torch.nn.CrossEntropyLoss: −Σ_c a_c·log p_c over the total weight of the labels, where a_c is the class's weight
/// times the smoothed label.
class CrossEntropy final : public Loss {
 public:
  explicit CrossEntropy(LossSettings settings) : settings_(std::move(settings)) {}

  LossAndGradient withGradient(const at::Tensor& logits, const Targets& targets) const override {
    const auto logProbabilities = logits.log_softmax(1);
    const auto index = targets.indices.unsqueeze(1);
    if (settings_.labelSmoothing == 0 && settings_.classWeights.empty()) return plain(logProbabilities, index);
    const auto weights = classWeightsLike(logits, settings_);
    const double smoothing = settings_.labelSmoothing;
    auto coefficients = at::full_like(logProbabilities, smoothing / static_cast<double>(logits.size(1)));
    coefficients.scatter_add_(1, index, at::full_like(index, 1 - smoothing, logits.options()));
    if (weights) coefficients.mul_(*weights);
    const double total = weights ? weights->index_select(0, targets.indices).sum().item<double>()
                                 : static_cast<double>(logits.size(0));
    LossAndGradient answer;
    answer.loss = -(coefficients * logProbabilities).sum().item<double>() / total;
    answer.gradient = logProbabilities.exp().mul_(coefficients.sum(1, /*keepdim=*/true)).sub_(coefficients);
    answer.gradient.div_(total);
    return answer;
  }

  at::Tensor differentiable(const at::Tensor& logits, const Targets& targets) const override {
    constexpr std::int64_t kNoneIgnored = -100;
    return at::cross_entropy_loss(logits, targets.indices, classWeightsLike(logits, settings_), at::Reduction::Mean,
                                  kNoneIgnored, settings_.labelSmoothing);
  }

 private:
  /// Every image alike, and its own class alone: one pass over the logits less.
  static LossAndGradient plain(const at::Tensor& logProbabilities, const at::Tensor& index) {
    const auto rows = static_cast<double>(logProbabilities.size(0));
    LossAndGradient answer;
    answer.loss = -logProbabilities.gather(1, index).sum().item<double>() / rows;
    answer.gradient = logProbabilities.exp();
    answer.gradient.scatter_add_(1, index, at::full_like(index, -1, logProbabilities.options()));
    answer.gradient.div_(rows);
    return answer;
  }

  LossSettings settings_;
};

}  // namespace

std::unique_ptr<Loss> makeCrossEntropy(const LossSettings& settings) {
  return std::make_unique<CrossEntropy>(settings);
}

}  // namespace resnet_torch::train
