#pragma once

#include <variant>

#include "optim/rules/adam.h"
#include "optim/rules/adamw.h"
#include "optim/rules/lion.h"
#include "optim/rules/nadam.h"
#include "optim/rules/rmsprop.h"
#include "optim/rules/sgd.h"

namespace resnet_torch::optim {

/// The optimizers, a row each, and the settings of one of them. Whoever asks which it is asks here, by std::visit.
using Settings = std::variant<  //
    Adam,                       //
    AdamW,                      //
    Sgd,                        //
    Rmsprop,                    //
    NAdam,                      //
    Lion>;

inline StateNames stateNames(const Settings& settings) {
  return std::visit([](const auto& rule) { return rule.state(); }, settings);
}

}  // namespace resnet_torch::optim
