#include "cuda/optimizer.h"

#include "cuda/gradients.cuh"

namespace resnet_torch::cuda {

namespace {

struct SgdRule {
  float momentum, undampened;  ///< undampened: 1 − dampening
  bool nesterov;

  template <int kWidth>
  __device__ __forceinline__ void operator()(const OptimizerTensor& tensor, const StepFactors& factors,
                                             std::int64_t at, const float (&g)[kWidth],
                                             float (&parameter)[kWidth]) const {
    float buffer[kWidth];
    // PyTorch's buffer begins as the first gradient, undampened.
    if (tensor.first && !factors.first) load(tensor.first + at, buffer);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      float change = fmaf(factors.decay, parameter[i], g[i]);
      if (tensor.first) {
        buffer[i] = factors.first ? change : fmaf(momentum, buffer[i], undampened * change);
        change = nesterov ? fmaf(momentum, buffer[i], change) : buffer[i];
      }
      parameter[i] = fmaf(-factors.rate, change, parameter[i]);
    }
    if (tensor.first) store(tensor.first + at, buffer);
  }
};

/// factors.decay: Adam adds the decayed weight to the gradient, AdamW multiplies the weight.
template <bool decoupled>
struct AdamRule {
  float beta1Rest, beta2, beta2Rest, eps;

  template <int kWidth>
  __device__ __forceinline__ void operator()(const OptimizerTensor& tensor, const StepFactors& factors,
                                             std::int64_t at, const float (&g)[kWidth],
                                             float (&parameter)[kWidth]) const {
    float first[kWidth], second[kWidth];
    load(tensor.first + at, first);
    load(tensor.second + at, second);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      float gradient = g[i];
      if constexpr (decoupled) {
        parameter[i] *= factors.decay;
      } else {
        gradient = fmaf(factors.decay, parameter[i], gradient);
      }
      first[i] = fmaf(beta1Rest, gradient - first[i], first[i]);
      second[i] = fmaf(beta2, second[i], beta2Rest * gradient * gradient);
      const float root = fmaf(sqrtf(second[i]), factors.rootScale, eps);
      parameter[i] = fmaf(-factors.rate, first[i] / root, parameter[i]);
    }
    store(tensor.first + at, first);
    store(tensor.second + at, second);
  }
};

template <class Rule>
__global__ void __launch_bounds__(kThreads) step(OptimizerTable table, Rule rule, const StepState* state) {
  if (state->skip) return;
  const float factor = state->factor;
  for (int number = static_cast<int>(blockIdx.x); number < table.chunkCount; number += static_cast<int>(gridDim.x)) {
    const auto chunk = table.chunks[number];
    const auto& tensor = table.tensors[chunk.tensor];
    if (!tensor.gradient) continue;
    const auto factors = table.factors[chunk.tensor];
    overChunk(tensor, chunk, [&](auto width, std::int64_t at) {
      constexpr int kWidth = decltype(width)::value;
      float g[kWidth], parameter[kWidth];
      loadStored(tensor.gradient, tensor.gradientStorage, at, g);
      load(tensor.parameter + at, parameter);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) g[i] *= factor;
      rule(tensor, factors, at, g, parameter);
      store(tensor.parameter + at, parameter);
      if (tensor.copy) storeStored(tensor.copy, tensor.copyStorage, at, parameter);
    });
  }
}

template <class Rule>
void launchStep(const OptimizerTable& table, const Rule& rule, const StepState* state, const Context& context) {
  const auto blocks = blocksFor(table.chunkCount, 1, 8 * context.multiprocessors);
  launch(step<Rule>, dim3(blocks), dim3(kThreads), context.stream, table, rule, state);
}

template <bool decoupled>
AdamRule<decoupled> adamRule(const OptimizerSettings& settings) {
  return {static_cast<float>(1 - settings.beta1), static_cast<float>(settings.beta2),
          static_cast<float>(1 - settings.beta2), static_cast<float>(settings.eps)};
}

}  // namespace

void optimizerStep(const OptimizerTable& table, const OptimizerSettings& settings, const StepState* state,
                   const Context& context) {
  if (table.chunkCount == 0) return;
  switch (settings.kind) {
    case OptimizerKind::kSgd:
      return launchStep(table,
                        SgdRule{static_cast<float>(settings.momentum), static_cast<float>(1 - settings.dampening),
                                settings.nesterov},
                        state, context);
    case OptimizerKind::kAdam:
      return launchStep(table, adamRule<false>(settings), state, context);
    case OptimizerKind::kAdamW:
      return launchStep(table, adamRule<true>(settings), state, context);
  }
}

}  // namespace resnet_torch::cuda
