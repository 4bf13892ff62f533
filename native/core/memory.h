#pragma once

namespace resnet_torch {

/// Tensors of the host lie in Pages from now on, which keeps what is freed while work runs. Idempotent.
void installPagesAllocator();

/// Gives everything that Pages and malloc keep back to the system.
void releaseKeptMemory();

}  // namespace resnet_torch
