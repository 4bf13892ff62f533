#pragma once

#include "optim/rule.h"

namespace resnet_torch::optim {

/// timm.optim.Lion (Chen et al., 2023). Weight decay shrinks the weight, by the rate.
struct Lion {
  static constexpr const char* kName = "lion";
  static constexpr int kSlots = 1;
  double beta1 = 0.9, beta2 = 0.99;

  template <class Self, class Visit>
  static void settings(Self& self, Visit visit) {
    visit("beta1", self.beta1);
    visit("beta2", self.beta2);
  }
  StateNames state() const { return {{"exp_avg"}, false}; }
  template <class Use>
  auto specialise(Use use) const {
    return use(*this);
  }

  template <class T>
  struct Update {
    T rate, shrink, beta1, beta1Rest, beta2Rest;

    RESNET_TORCH_EVERYWHERE void operator()(T& parameter, T gradient, T* slots) const {
      const T direction = multiplyAdd(beta1, slots[0], beta1Rest * gradient);
      const T sign = (direction > 0 ? T(1) : T(0)) - (direction < 0 ? T(1) : T(0));
      parameter = multiplyAdd(-rate, sign, parameter * shrink);
      slots[0] = multiplyAdd(beta2Rest, gradient - slots[0], slots[0]);
    }
  };

  template <class T>
  RESNET_TORCH_EVERYWHERE Update<T> prepare(const TensorStep& step) const {
    return {static_cast<T>(step.rate), static_cast<T>(1 - step.rate * step.weightDecay), static_cast<T>(beta1),
            static_cast<T>(1 - beta1), static_cast<T>(1 - beta2)};
  }
};

}  // namespace resnet_torch::optim
