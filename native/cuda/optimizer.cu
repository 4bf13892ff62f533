#include "cuda/optimizer.h"

#include "cuda/gradients.cuh"
#include "cuda/reduce.cuh"

namespace resnet_torch::cuda {

namespace {

template <class Step>
using UpdateOf = typename Step::template Update<float>;

template <class Step>
__device__ __forceinline__ UpdateOf<Step>& updateOf(const OptimizerTable& table, int tensor) {
  using Update = UpdateOf<Step>;
  static_assert(sizeof(Update) <= sizeof(StepFactors) && alignof(Update) <= alignof(StepFactors));
  return *reinterpret_cast<Update*>(table.factors[tensor].bytes);
}

/// One block: all that follows from the gradients' norm and must be known before the first weight moves.
template <class Step>
__global__ void __launch_bounds__(kThreads, 1)
    prepare(OptimizerTable table, Step step, GradientSettings settings, const float* parts,
            const BatchResult* results, StepState* state) {
  RESNET_TORCH_SHARED(int, held, 2);
  double sum = 0;
  if (parts)
    for (int i = static_cast<int>(threadIdx.x); i < table.chunkCount; i += kThreads) sum += parts[i];
  sum = blockSum(sum);
  if (threadIdx.x == 0) {
    const bool overflow = isnan(sum), lost = results && !isfinite(results[state->row].loss);
    const bool broken = state->broken || lost || (overflow && !settings.mayOverflow);
    const bool skip = overflow || broken;
    const double norm = sqrt(sum), limit = settings.maxNorm / (norm + 1e-6);
    const double clip = parts && settings.maxNorm > 0 && limit < 1 ? limit : 1;
    held[0] = skip ? 1 : 0;
    held[1] = state->row;
    state->row = state->row + 1;
    state->skip = skip ? 1 : 0;
    state->broken = broken ? 1 : 0;
    state->skippedSteps += skip ? 1 : 0;
    state->norm = static_cast<float>(norm);
    state->factor = static_cast<float>(clip / state->scale);
    if (settings.growthInterval > 0) {
      const auto scale = static_cast<float>(state->scale * (skip ? settings.backoff : settings.growth));
      const bool due = skip || state->steadySteps + 1 == settings.growthInterval;
      if (due && isfinite(scale)) state->scale = scale;
      state->steadySteps = due ? 0 : state->steadySteps + 1;
    }
  }
  __syncthreads();
  if (held[0]) return;
  const double* rates = table.rates + static_cast<std::int64_t>(held[1]) * table.groups;
  for (int i = static_cast<int>(threadIdx.x); i < table.tensorCount; i += kThreads) {
    const auto& tensor = table.tensors[i];
    if (!tensor.gradient) continue;
    const double rate = rates[tensor.group], steps = table.steps[i] + 1;
    table.steps[i] = static_cast<float>(steps);
    const optim::TensorStep told{rate, tensor.weightDecay, steps, table.scalars ? table.scalars + i : nullptr};
    updateOf<Step>(table, i) = step.template prepare<float>(told);
  }
}

/// One packet of a parameter: as many values as `kWidth`, which lie side by side.
template <int kSlots, int kWidth, class Update>
__device__ __forceinline__ void stepPacket(const OptimizerTensor& tensor, const Update& update, float factor,
                                           std::int64_t at) {
  float gradient[kWidth], parameter[kWidth], slots[kSlots > 0 ? kSlots : 1][kWidth];
  loadStored(tensor.gradient, tensor.gradientStorage, at, gradient);
  load(tensor.parameter + at, parameter);
#pragma unroll
  for (int k = 0; k < kSlots; ++k) load(tensor.slots[k] + at, slots[k]);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    float own[kSlots > 0 ? kSlots : 1];
#pragma unroll
    for (int k = 0; k < kSlots; ++k) own[k] = slots[k][i];
    update(parameter[i], gradient[i] * factor, own);
#pragma unroll
    for (int k = 0; k < kSlots; ++k) slots[k][i] = own[k];
  }
#pragma unroll
  for (int k = 0; k < kSlots; ++k) store(tensor.slots[k] + at, slots[k]);
  store(tensor.parameter + at, parameter);
  if (tensor.copy) storeStored(tensor.copy, tensor.copyStorage, at, parameter);
}

template <class Step>
__global__ void __launch_bounds__(kThreads, 2) step(OptimizerTable table, const StepState* state) {
  if (state->skip) return;
  const float factor = state->factor;
  for (int number = static_cast<int>(blockIdx.x); number < table.chunkCount; number += static_cast<int>(gridDim.x)) {
    const auto chunk = table.chunks[number];
    const auto& tensor = table.tensors[chunk.tensor];
    if (!tensor.gradient) continue;
    const auto update = updateOf<Step>(table, chunk.tensor);
    overChunk(tensor, chunk, [&](auto width, std::int64_t at) {
      stepPacket<Step::kSlots, decltype(width)::value>(tensor, update, factor, at);
    });
  }
}

/// use(step) of the rule's own arithmetic.
template <class Use>
void withStep(const optim::Settings& settings, Use use) {
  std::visit([&](const auto& rule) { rule.specialise(use); }, settings);
}

}  // namespace

void prepareStep(const OptimizerTable& table, const OptimizerSettings& settings, const float* parts,
                 const BatchResult* results, StepState* state, const Context& context) {
  withStep(settings.rule, [&]<class Step>(const Step& rule) {
    launch(prepare<Step>, dim3(1), dim3(kThreads), context.stream, table, rule,
           static_cast<const GradientSettings&>(settings), parts, results, state);
  });
}

void optimizerStep(const OptimizerTable& table, const OptimizerSettings& settings, const StepState* state,
                   const Context& context) {
  if (table.chunkCount == 0) return;
  withStep(settings.rule, [&]<class Step>(const Step&) {
    const auto blocks = blocksFor(table.chunkCount, 1, 8 * context.multiprocessors);
    launch(step<Step>, dim3(blocks), dim3(kThreads), context.stream, table, state);
  });
}

}  // namespace resnet_torch::cuda
