#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "optim/rules.h"

namespace resnet_torch::optim {

/// Parameters that take a step together, on the thread that owns their device. Every gradient and slot lies in memory
/// as its parameter does.
struct Batch {
  std::vector<at::Tensor> parameters, gradients;
  std::vector<std::vector<at::Tensor>> slots;  ///< [slot][parameter]
  std::vector<at::Tensor> steps, scalars;      ///< where the rule has them; `steps` counts this one already
  double rate = 0, weightDecay = 0;
  bool first = false;  ///< whether it is the first step of all of them
};

/// One step, in place. Takes no memory that a step of a whole network would miss.
void update(const Settings& settings, Batch& batch);

}  // namespace resnet_torch::optim
