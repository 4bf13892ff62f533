#pragma once

namespace resnet_torch {

/// Cores that this process may run on, which a container may make fewer than the machine has.
int usableCores();

/// Whether bfloat16 arithmetic is faster than float32 here: avx512_bf16 or AMX. Without them oneDNN emulates it,
/// slower.
bool hasFastBf16();

}  // namespace resnet_torch
