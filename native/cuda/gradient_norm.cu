#include "cuda/gradients.cuh"
#include "cuda/reduce.cuh"

namespace resnet_torch::cuda {

namespace {

__global__ void __launch_bounds__(kThreads) squares(OptimizerTable table, const StepState* state, float* parts) {
  const float unscale = 1 / state->scale;
  for (int number = static_cast<int>(blockIdx.x); number < table.chunkCount; number += static_cast<int>(gridDim.x)) {
    const auto chunk = table.chunks[number];
    const auto& tensor = table.tensors[chunk.tensor];
    float sum = 0;
    int broken = 0;
    if (tensor.gradient)
      overChunk(tensor, chunk, [&](auto width, std::int64_t at) {
        float g[decltype(width)::value];
        loadStored(tensor.gradient, tensor.gradientStorage, at, g);
#pragma unroll
        for (const float value : g) {
          if (!isfinite(value)) broken = 1;
          sum = fmaf(value * unscale, value * unscale, sum);
        }
      });
    sum = blockSum(sum);
    broken = blockSum(broken);
    // Finite gradients whose squares are too large are no fault: their sum is infinite, not NaN.
    if (threadIdx.x == 0) parts[number] = broken ? nanf("") : sum;
  }
}

/// One block: all that follows from the gradients' norm and must be known before the first weight moves.
__global__ void __launch_bounds__(kThreads)
    prepare(OptimizerTable table, OptimizerSettings settings, const float* parts, const BatchResult* results,
            StepState* state) {
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
    StepFactors factors{static_cast<float>(rate), tensor.weightDecay, 1, steps == 1 ? 1 : 0};
    if (settings.kind != OptimizerKind::kSgd) {
      factors.rate = static_cast<float>(rate / (1 - pow(settings.beta1, steps)));
      factors.rootScale = static_cast<float>(1 / sqrt(1 - pow(settings.beta2, steps)));
    }
    if (settings.kind == OptimizerKind::kAdamW) factors.decay = static_cast<float>(1 - rate * tensor.weightDecay);
    table.factors[i] = factors;
  }
}

}  // namespace

std::vector<Chunk> chunksOf(std::span<const std::int64_t> sizes) {
  std::vector<Chunk> chunks;
  for (std::size_t tensor = 0; tensor < sizes.size(); ++tensor)
    for (std::int64_t index = 0; index < ceilDivide(sizes[tensor], kChunkSize); ++index)
      chunks.push_back({static_cast<std::int32_t>(tensor), static_cast<std::int32_t>(index)});
  return chunks;
}

void gradientNorm(const OptimizerTable& table, const StepState* state, float* parts, const Context& context) {
  if (table.chunkCount == 0) return;
  const auto blocks = blocksFor(table.chunkCount, 1, 8 * context.multiprocessors);
  launch(squares, dim3(blocks), dim3(kThreads), context.stream, table, state, parts);
}

void prepareStep(const OptimizerTable& table, const OptimizerSettings& settings, const float* parts,
                 const BatchResult* results, StepState* state, const Context& context) {
  launch(prepare, dim3(1), dim3(kThreads), context.stream, table, settings, parts, results, state);
}

}  // namespace resnet_torch::cuda
