#include "train/losses/loss.h"

namespace resnet_torch::train {

namespace {

/// −α·(1 − p)^γ·log p of the label's probability p, and α the weight of its class: Lin and others, "Focal Loss for
/// Dense Object Detection", 2017, over a softmax. The mean is over images, whatever their classes weigh.
class FocalLoss final : public Loss {
 public:
  explicit FocalLoss(LossSettings settings) : settings_(std::move(settings)) {}

  LossAndGradient withGradient(const at::Tensor& logits, const Targets& targets) const override {
    const double gamma = settings_.gamma;
    const auto rows = static_cast<double>(logits.size(0));
    const auto index = targets.indices.unsqueeze(1);
    const auto logProbabilities = logits.log_softmax(1);
    const auto own = logProbabilities.gather(1, index);
    const auto rest = own.expm1().neg_();  // 1 − p, exact where p is near 1
    const auto weight = rest.pow(gamma).mul_(alpha(logits, targets));
    // log p / (1 − p), which is −1 where p is 1.
    const auto ratio = at::where(rest.gt(0), own / rest, at::full_like(own, -1));
    // With respect to log p of the label, and from there as in cross-entropy.
    const auto slope = weight * (1 - gamma * own.exp() * ratio);
    LossAndGradient answer;
    answer.loss = -(weight * own).sum().item<double>() / rows;
    answer.gradient = logProbabilities.exp();
    answer.gradient.scatter_add_(1, index, at::full_like(own, -1));
    answer.gradient.mul_(slope).div_(rows);
    return answer;
  }

  at::Tensor differentiable(const at::Tensor& logits, const Targets& targets) const override {
    const auto own = logits.log_softmax(1).gather(1, targets.indices.unsqueeze(1));
    return -(alpha(logits, targets) * own.expm1().neg().pow(settings_.gamma) * own).mean();
  }

 private:
  /// [n, 1]
  at::Tensor alpha(const at::Tensor& logits, const Targets& targets) const {
    const auto weights = classWeightsLike(logits, settings_);
    return weights ? weights->index_select(0, targets.indices).unsqueeze(1)
                   : at::ones({logits.size(0), 1}, logits.options());
  }

  LossSettings settings_;
};

}  // namespace

std::unique_ptr<Loss> makeFocalLoss(const LossSettings& settings) {
  return std::make_unique<FocalLoss>(settings);
}

}  // namespace resnet_torch::train
