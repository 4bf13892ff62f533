#include "optim/batch.h"

// ATen's fused kernels, for the rules that it has: vectorised for the processor at hand.
namespace resnet_torch::optim {

void Sgd::byAten(Batch& batch) const {
  // PyTorch starts a buffer with its first gradient itself, undampened, and tells the kernel by a flag.
  const auto buffers = batch.slots.empty() ? at::TensorList{} : at::TensorList(batch.slots[0]);
  at::_fused_sgd_(batch.parameters, batch.gradients, buffers, batch.weightDecay, momentum, batch.rate, dampening,
                  nesterov, /*maximize=*/false, /*is_first_step=*/batch.first);
}

void Adam::byAten(Batch& batch) const {
  at::_fused_adam_(batch.parameters, batch.gradients, batch.slots[0], batch.slots[1], at::TensorList{}, batch.steps,
                   batch.rate, beta1, beta2, batch.weightDecay, eps, /*amsgrad=*/false, /*maximize=*/false);
}

void AdamW::byAten(Batch& batch) const {
  at::_fused_adamw_(batch.parameters, batch.gradients, batch.slots[0], batch.slots[1], at::TensorList{}, batch.steps,
                    batch.rate, beta1, beta2, batch.weightDecay, eps, /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace resnet_torch::optim
