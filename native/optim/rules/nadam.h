#pragma once

#include "optim/rule.h"

namespace resnet_torch::optim {

/// torch.optim.NAdam (Dozat, 2016). Weight decay is added to the gradient, or where it is decoupled shrinks the
/// weight.
struct NAdam {
  static constexpr const char* kName = "nadam";
  static constexpr int kSlots = 2;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, momentumDecay = 4e-3;
  bool decoupledWeightDecay = false;

  template <class Self, class Visit>
  static void settings(Self& self, Visit visit) {
    visit("beta1", self.beta1);
    visit("beta2", self.beta2);
    visit("eps", self.eps);
    visit("momentumDecay", self.momentumDecay);
    visit("decoupledWeightDecay", self.decoupledWeightDecay);
  }
  StateNames state() const { return {{"exp_avg", "exp_avg_sq"}, true, "mu_product", 1}; }
  template <class Use>
  auto specialise(Use use) const {
    return use(*this);
  }

  template <class T>
  struct Update {
    T shrink, decay, beta1Rest, beta2, beta2Rest, rootScale, eps, gradientRate, momentRate;

    RESNET_TORCH_EVERYWHERE void operator()(T& parameter, T gradient, T* slots) const {
      gradient = multiplyAdd(decay, parameter, gradient);
      slots[0] = multiplyAdd(beta1Rest, gradient - slots[0], slots[0]);
      slots[1] = multiplyAdd(beta2, slots[1], beta2Rest * gradient * gradient);
      const T root = multiplyAdd(rootOf(slots[1]), rootScale, eps);
      const T change = multiplyAdd(gradientRate, gradient, momentRate * slots[0]) / root;
      parameter = multiplyAdd(shrink, parameter, -change);
    }
  };

  /// The momentum of a step.
  RESNET_TORCH_EVERYWHERE double momentumAt(double step) const {
    return beta1 * (1 - 0.5 * std::pow(0.96, step * momentumDecay));
  }

  template <class T>
  RESNET_TORCH_EVERYWHERE Update<T> prepare(const TensorStep& step) const {
    const double momentum = momentumAt(step.steps), next = momentumAt(step.steps + 1);
    // PyTorch keeps the product of all momenta in float32.
    *step.scalar *= static_cast<float>(momentum);
    const double product = *step.scalar;
    return {static_cast<T>(decoupledWeightDecay ? 1 - step.rate * step.weightDecay : 1),
            static_cast<T>(decoupledWeightDecay ? 0 : step.weightDecay),
            static_cast<T>(1 - beta1),
            static_cast<T>(beta2),
            static_cast<T>(1 - beta2),
            static_cast<T>(1 / std::sqrt(1 - std::pow(beta2, step.steps))),
            static_cast<T>(eps),
            static_cast<T>(step.rate * (1 - momentum) / (1 - product)),
            static_cast<T>(step.rate * next / (1 - product * next))};
  }
};

}  // namespace resnet_torch::optim
