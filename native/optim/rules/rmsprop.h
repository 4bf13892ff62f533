#pragma once

#include "optim/rule.h"

namespace resnet_torch::optim {

/// torch.optim.RMSprop (Tieleman and Hinton, 2012; centered: Graves, 2013). Weight decay is added to the gradient.
struct Rmsprop {
  static constexpr const char* kName = "rmsprop";
  double alpha = 0.99, eps = 1e-8, momentum = 0;
  bool centered = false;

  template <class Self, class Visit>
  static void settings(Self& self, Visit visit) {
    visit("alpha", self.alpha);
    visit("eps", self.eps);
    visit("momentum", self.momentum);
    visit("centered", self.centered);
  }
  StateNames state() const {
    StateNames names{{"square_avg"}};
    if (centered) names.slots.push_back("grad_avg");
    if (momentum != 0) names.slots.push_back("momentum_buffer");
    return names;
  }
  template <class Use>
  auto specialise(Use use) const;
};

template <bool kCentered, bool kMomentum>
struct RmspropStep {
  Rmsprop rule;
  static constexpr int kSlots = 1 + (kCentered ? 1 : 0) + (kMomentum ? 1 : 0);

  template <class T>
  struct Update {
    T rate, decay, alpha, alphaRest, eps, momentum;

    RESNET_TORCH_EVERYWHERE void operator()(T& parameter, T gradient, T* slots) const {
      gradient = multiplyAdd(decay, parameter, gradient);
      slots[0] = multiplyAdd(alpha, slots[0], alphaRest * gradient * gradient);
      T square = slots[0];
      if constexpr (kCentered) {
        slots[1] = multiplyAdd(alphaRest, gradient - slots[1], slots[1]);
        // A variance; what rounding leaves below zero would be no number, as it is in PyTorch.
        square = multiplyAdd(-slots[1], slots[1], square);
        square = square > 0 ? square : 0;
      }
      T change = gradient / (rootOf(square) + eps);
      if constexpr (kMomentum) change = slots[kSlots - 1] = multiplyAdd(momentum, slots[kSlots - 1], change);
      parameter = multiplyAdd(-rate, change, parameter);
    }
  };

  template <class T>
  RESNET_TORCH_EVERYWHERE Update<T> prepare(const TensorStep& step) const {
    return {static_cast<T>(step.rate),      static_cast<T>(step.weightDecay), static_cast<T>(rule.alpha),
            static_cast<T>(1 - rule.alpha), static_cast<T>(rule.eps),         static_cast<T>(rule.momentum)};
  }
};

template <class Use>
auto Rmsprop::specialise(Use use) const {
  if (centered) return momentum != 0 ? use(RmspropStep<true, true>{*this}) : use(RmspropStep<true, false>{*this});
  return momentum != 0 ? use(RmspropStep<false, true>{*this}) : use(RmspropStep<false, false>{*this});
}

}  // namespace resnet_torch::optim
