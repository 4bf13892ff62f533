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

}  // namespace resnet_torch::cuda
