#include "cuda/gradient_copies.h"

#include <algorithm>

#include "cuda/gradients.cuh"

namespace resnet_torch::cuda {

namespace {

/// Of a launch, as parameters of the kernel: nothing is uploaded for it.
struct Table {
  static constexpr int kMost = 64;
  GradientCopy entries[kMost];
  std::int32_t firstChunk[kMost];  ///< of kChunkSize values, which a block takes at a time
  int count = 0;
};

/// Values begin … end − 1 with the threads of the block.
template <int kWidth>
__device__ __forceinline__ void copyRun(const GradientCopy& copy, std::int64_t begin, std::int64_t end) {
  for (auto at = begin + static_cast<std::int64_t>(threadIdx.x) * kWidth; at < end; at += kThreads * kWidth) {
    float value[kWidth];
    const auto from = copy.from == copy.own ? at : at / copy.own * copy.from + at % copy.own;
    loadStored<kWidth>(copy.gradient, copy.storage, from, value);
    store(copy.to + at, value);
  }
}

__global__ void __launch_bounds__(kThreads) copyAll(Table table) {
  const int chunk = static_cast<int>(blockIdx.x);
  int number = 0;
  while (number + 1 < table.count && table.firstChunk[number + 1] <= chunk) ++number;
  const auto& copy = table.entries[number];
  const auto begin = (chunk - table.firstChunk[number]) * kChunkSize;
  const auto end = begin + kChunkSize < copy.size ? begin + kChunkSize : copy.size;
  const auto places = reinterpret_cast<std::uintptr_t>(copy.gradient) | reinterpret_cast<std::uintptr_t>(copy.to);
  const bool packed = copy.from == copy.own && places % 16 == 0;
  const auto whole = packed ? begin + (end - begin) / kTensorPacket * kTensorPacket : begin;
  copyRun<kTensorPacket>(copy, begin, whole);
  copyRun<1>(copy, whole, end);
}

}  // namespace

void copyGradients(std::span<const GradientCopy> copies, const Context& context) {
  while (!copies.empty()) {
    const auto some = copies.first(std::min<std::size_t>(copies.size(), Table::kMost));
    copies = copies.subspan(some.size());
    Table table{};
    std::int64_t chunks = 0;
    for (const auto& copy : some) {
      require(copy.own > 0 && copy.from >= copy.own && copy.size % copy.own == 0,
              "A gradient in runs that do not fit");
      if (copy.size == 0) continue;
      table.firstChunk[table.count] = static_cast<std::int32_t>(chunks);
      table.entries[table.count++] = copy;
      chunks += ceilDivide(copy.size, kChunkSize);
    }
    if (chunks == 0) continue;
    require(chunks < (std::int64_t{1} << 31), "Too many gradients for one launch");
    launch(copyAll, dim3(static_cast<unsigned>(chunks)), dim3(kThreads), context.stream, table);
  }
}

}  // namespace resnet_torch::cuda
