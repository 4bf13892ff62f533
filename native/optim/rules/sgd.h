#pragma once

#include "optim/rule.h"

namespace resnet_torch::optim {

struct Batch;

/// torch.optim.SGD. Weight decay is added to the gradient.
struct Sgd {
  static constexpr const char* kName = "sgd";
  double momentum = 0, dampening = 0;
  bool nesterov = false;

  template <class Self, class Visit>
  static void settings(Self& self, Visit visit) {
    visit("momentum", self.momentum);
    visit("dampening", self.dampening);
    visit("nesterov", self.nesterov);
  }
  StateNames state() const {
    StateNames names;
    if (momentum != 0) names.slots = {"momentum_buffer"};
    names.step = false;
    return names;
  }
  template <class Use>
  auto specialise(Use use) const;
  void byAten(Batch& batch) const;
};

template <bool kMomentum>
struct SgdStep {
  Sgd rule;
  static constexpr int kSlots = kMomentum ? 1 : 0;

  template <class T>
  struct Update {
    T rate, decay, momentum, undampened;
    bool nesterov, first;

    RESNET_TORCH_EVERYWHERE void operator()(T& parameter, T gradient, T* slots) const {
      T change = multiplyAdd(decay, parameter, gradient);
      if constexpr (kMomentum) {
        // PyTorch's buffer begins as the first gradient, undampened.
        slots[0] = first ? change : multiplyAdd(momentum, slots[0], undampened * change);
        change = nesterov ? multiplyAdd(momentum, slots[0], change) : slots[0];
      }
      parameter = multiplyAdd(-rate, change, parameter);
    }
  };

  template <class T>
  RESNET_TORCH_EVERYWHERE Update<T> prepare(const TensorStep& step) const {
    return {static_cast<T>(step.rate),
            static_cast<T>(step.weightDecay),
            static_cast<T>(rule.momentum),
            static_cast<T>(1 - rule.dampening),
            rule.nesterov,
            step.steps == 1};
  }
};

template <class Use>
auto Sgd::specialise(Use use) const {
  return momentum != 0 ? use(SgdStep<true>{*this}) : use(SgdStep<false>{*this});
}

}  // namespace resnet_torch::optim
