#pragma once

#include "optim/rules/adam.h"

namespace resnet_torch::optim {

/// torch.optim.AdamW (Loshchilov and Hutter, 2019).
struct AdamW : AdamSettings {
  static constexpr const char* kName = "adamw";
  template <class Use>
  auto specialise(Use use) const {
    return use(AdamStep<true>{*this});
  }
  void byAten(Batch& batch) const;
};

}  // namespace resnet_torch::optim
