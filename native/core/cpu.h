#pragma once

namespace resnet_torch {

/// Cores that this process may run on, which a container may make fewer than the machine has.
int usableCores();

/// Whether bfloat16 arithmetic is faster than float32 here: avx512_bf16 or AMX. Without them oneDNN emulates it,
/// slower.
bool hasFastBf16();
/// Whether there are matrix instructions for bfloat16.
bool hasAmxBf16();

/// The widest vector instructions that the processor and the operating system allow, of those that code is compiled
/// for. ATEN_CPU_CAPABILITY (`default`, `avx2`, `avx512`) allows fewer, as it does in libtorch.
enum class VectorSet { kBase, kAvx2, kAvx512, kAvx512Bf16 };
VectorSet vectorSet();

}  // namespace resnet_torch
