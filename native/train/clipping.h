#pragma once

#include <vector>

#include "optim/optimizer.h"

namespace resnet_torch::train {

/// torch.nn.utils.clip_grad_norm_: where the norm of all gradients that the parameters hold, taken as one vector, is
/// above `maxNorm`, they are scaled down to it.
void clipGradientNorm(const std::vector<optim::Group>& groups, double maxNorm);

}  // namespace resnet_torch::train
