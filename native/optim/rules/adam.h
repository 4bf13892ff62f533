#pragma once

#include "optim/rule.h"

namespace resnet_torch::optim {

struct Batch;

/// Of Adam and AdamW.
struct AdamSettings {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;

  template <class Self, class Visit>
  static void settings(Self& self, Visit visit) {
    visit("beta1", self.beta1);
    visit("beta2", self.beta2);
    visit("eps", self.eps);
  }
  StateNames state() const { return {{"exp_avg", "exp_avg_sq"}}; }
};

/// Coupled: weight decay is added to the gradient. Decoupled: it shrinks the weight, by the rate.
template <bool kDecoupled>
struct AdamStep {
  AdamSettings rule;
  static constexpr int kSlots = 2;

  template <class T>
  struct Update {
    T rate, decay, beta1Rest, beta2, beta2Rest, rootScale, eps;

    RESNET_TORCH_EVERYWHERE void operator()(T& parameter, T gradient, T* slots) const {
      if constexpr (kDecoupled) {
        parameter *= decay;
      } else {
        gradient = multiplyAdd(decay, parameter, gradient);
      }
      slots[0] = multiplyAdd(beta1Rest, gradient - slots[0], slots[0]);
      slots[1] = multiplyAdd(beta2, slots[1], beta2Rest * gradient * gradient);
      const T root = multiplyAdd(rootOf(slots[1]), rootScale, eps);
      parameter = multiplyAdd(-rate, slots[0] / root, parameter);
    }
  };

  template <class T>
  RESNET_TORCH_EVERYWHERE Update<T> prepare(const TensorStep& step) const {
    return {static_cast<T>(step.rate / (1 - std::pow(rule.beta1, step.steps))),
            static_cast<T>(kDecoupled ? 1 - step.rate * step.weightDecay : step.weightDecay),
            static_cast<T>(1 - rule.beta1),
            static_cast<T>(rule.beta2),
            static_cast<T>(1 - rule.beta2),
            static_cast<T>(1 / std::sqrt(1 - std::pow(rule.beta2, step.steps))),
            static_cast<T>(rule.eps)};
  }
};

/// torch.optim.Adam (Kingma and Ba, 2015).
struct Adam : AdamSettings {
  static constexpr const char* kName = "adam";
  template <class Use>
  auto specialise(Use use) const {
    return use(AdamStep<false>{*this});
  }
  void byAten(Batch& batch) const;
};

}  // namespace resnet_torch::optim
