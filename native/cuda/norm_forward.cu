#include <algorithm>

#include "cuda/channels.cuh"
#include "cuda/norm.h"

namespace resnet_torch::cuda {

namespace {

constexpr double kEpsilon = 1e-5;
constexpr float kMomentum = 0.1F;

/// From Σ (x − origin) and Σ (x − origin)², origin the first row.
template <class T, int kWidth>
__global__ void __launch_bounds__(kThreads, kResidentBlocks<T>)
    moments(const T* __restrict__ x, Sizes sizes, const float* weight, const float* bias, NormState state,
            Workspace workspace) {
  const Walk<kWidth> walk(sizes);
  float sums[2][kWidth] = {};
  if (walk.inside) {
    float origin[kWidth];
    load(x + walk.channel, origin);
    walk.template overRows<4>([&](std::int64_t row) { return loadPacket<kWidth>(x + walk.at(row)); },
                              [&](std::int64_t, const Packet<T, kWidth>& packet) {
                                float value[kWidth];
                                unpack(packet, value);
#pragma unroll
                                for (int i = 0; i < kWidth; ++i) {
                                  const float deviation = value[i] - origin[i];
                                  sums[0][i] += deviation;
                                  sums[1][i] = fmaf(deviation, deviation, sums[1][i]);
                                }
                              });
  }
  finishSums(walk, sums, workspace, [&](int c, const double (&whole)[2]) {
    const auto rows = static_cast<double>(sizes.rows);
    const double shifted = whole[0] / rows;
    const double mean = toFloat(x[c]) + shifted;
    double variance = whole[1] / rows - shifted * shifted;
    if (variance < 0) variance = 0;
    const double inverse = 1 / sqrt(variance + kEpsilon);
    const double scale = weight[c] * inverse;
    state.mean[c] = static_cast<float>(mean);
    state.inverse[c] = static_cast<float>(inverse);
    state.variance[c] = static_cast<float>(variance * rows / (rows - 1));
    state.scale[c] = static_cast<float>(scale);
    state.shift[c] = static_cast<float>(bias[c] - scale * mean);
  });
}

/// Of a launch, as a parameter of the kernel: nothing is uploaded for it.
struct RunningTable {
  static constexpr int kMost = 64;
  RunningUpdate entries[kMost];
};

/// A block a BatchNorm.
__global__ void __launch_bounds__(kThreads) moveRunning(RunningTable updates, const int* skip) {
  if (skip && *skip) return;
  const auto& entry = updates.entries[blockIdx.x];
  for (int c = static_cast<int>(threadIdx.x); c < entry.channels; c += kThreads) {
    entry.runningMean[c] = (1 - kMomentum) * entry.runningMean[c] + kMomentum * entry.mean[c];
    entry.runningVar[c] = (1 - kMomentum) * entry.runningVar[c] + kMomentum * entry.variance[c];
  }
  if (threadIdx.x == 0) ++*entry.batchesTracked;
}

template <int kWidth>
struct Factors {
  float scale[kWidth], shift[kWidth];

  __device__ __forceinline__ Factors(const float* scales, const float* shifts, int channel) {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      scale[i] = scales ? scales[channel + i] : 1;
      shift[i] = shifts ? shifts[channel + i] : 0;
    }
  }
};

/// Writes which of the values are positive.
template <int kWidth>
__device__ __forceinline__ void writeMask(const Walk<kWidth>& walk, std::int64_t row, const float (&value)[kWidth],
                                          std::uint8_t* mask) {
  std::uint8_t* to = mask + row * maskBytes(walk.channels) + walk.channel / 8;
  if constexpr (kWidth == 1) {
    // The lanes of a warp are 32 channels of one row.
    const unsigned open = __ballot_sync(kWholeWarp, walk.inside && value[0] > 0);
    if (walk.inside && walk.channel % 8 == 0) *to = static_cast<std::uint8_t>(open >> threadIdx.x);
  } else {
    unsigned open = 0;
#pragma unroll
    for (int i = 0; i < kWidth; ++i)
      if (value[i] > 0) open |= 1U << i;
    *to = static_cast<std::uint8_t>(open);
  }
}

template <class T, int kWidth>
struct Pair {
  Packet<T, kWidth> x, z;
};

template <class T, int kWidth, bool hasZ>
__global__ void __launch_bounds__(kThreads, kResidentBlocks<T>)
    apply(Operand<T> x, Operand<T> z, Sizes sizes, T* __restrict__ y, std::uint8_t* mask) {
  const Walk<kWidth> walk(sizes);
  // Lanes beyond the last channel go along for the ballots, on the last one.
  if (kWidth > 1 && !walk.inside) return;
  const int channel = walk.inside ? walk.channel : walk.channels - 1;
  const Factors<kWidth> factors(x.scale, x.shift, channel), others(z.scale, z.shift, channel);
  walk.template overRows<2>(
      [&](std::int64_t row) {
        const auto at = row * walk.channels + channel;
        Pair<T, kWidth> pair;
        pair.x = loadPacket<kWidth>(x.values + at);
        if constexpr (hasZ) pair.z = loadPacket<kWidth>(z.values + at);
        return pair;
      },
      [&](std::int64_t row, const Pair<T, kWidth>& pair) {
        float value[kWidth], other[kWidth];
        unpack(pair.x, value);
        if constexpr (hasZ) unpack(pair.z, other);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) {
          value[i] = fmaf(value[i], factors.scale[i], factors.shift[i]);
          if constexpr (hasZ) value[i] += fmaf(other[i], others.scale[i], others.shift[i]);
          // So written, what is not a number stays.
          value[i] = value[i] < 0 ? 0 : value[i];
        }
        if (mask) writeMask(walk, row, value, mask);
        if (walk.inside) store(y + walk.at(row), value);
      });
}

template <class T, int kWidth>
void launchStatistics(const T* x, const Sizes& sizes, const float* weight, const float* bias, const NormState& state,
                      const Workspace& workspace, const Context& context) {
  const auto shape = sumsShape(sizes, kWidth, kResidentBlocks<T>, context);
  launch(moments<T, kWidth>, shape.grid, shape.block, context.stream, x, sizes, weight, bias, state, workspace);
}

template <class T, int kWidth>
void launchApply(const Operand<T>& x, const Operand<T>& z, const Sizes& sizes, T* y, std::uint8_t* mask,
                 const Context& context) {
  const auto shape = sweepShape(sizes, kWidth, kResidentBlocks<T>, context);
  const auto kernel = z.values ? apply<T, kWidth, true> : apply<T, kWidth, false>;
  launch(kernel, shape.grid, shape.block, context.stream, x, z, sizes, y, mask);
}

}  // namespace

std::size_t normWorkspace(const Sizes& sizes, const Context& context) {
  const auto parts = [&](int width) { return sumsShape(sizes, width, kMostResidentBlocks, context).grid.y; };
  const auto wide = parts(kPacketChannels), single = parts(1);
  return std::size_t{3} * static_cast<std::size_t>(sizes.channels) * (wide > single ? wide : single);
}

template <class T>
void batchStatistics(const T* x, const Sizes& sizes, const float* weight, const float* bias, const NormState& state,
                     const Workspace& workspace, const Context& context) {
  if (sizes.rows == 0) return;
  const bool packed = sizes.channels % kPacketChannels == 0 && aligned(16, x);
  const auto run = packed ? launchStatistics<T, kPacketChannels> : launchStatistics<T, 1>;
  run(x, sizes, weight, bias, state, workspace, context);
}

void updateRunning(std::span<const RunningUpdate> updates, const int* skip, const Context& context) {
  while (!updates.empty()) {
    const auto some = updates.first(std::min<std::size_t>(updates.size(), RunningTable::kMost));
    updates = updates.subspan(some.size());
    RunningTable table{};
    std::copy(some.begin(), some.end(), table.entries);
    launch(moveRunning, dim3(static_cast<unsigned>(some.size())), dim3(kThreads), context.stream, table, skip);
  }
}

template <class T>
void normAddRelu(const Operand<T>& x, const Operand<T>& z, const Sizes& sizes, T* y, std::uint8_t* mask,
                 const Context& context) {
  if (sizes.rows == 0) return;
  const bool packed = sizes.channels % kPacketChannels == 0 && aligned(16, x.values, z.values, y);
  const auto run = packed ? launchApply<T, kPacketChannels> : launchApply<T, 1>;
  run(x, z, sizes, y, mask, context);
}

#define RESNET_TORCH_INSTANTIATE(T)                                                                   \
  template void batchStatistics(const T*, const Sizes&, const float*, const float*, const NormState&, \
                                const Workspace&, const Context&);                                    \
  template void normAddRelu(const Operand<T>&, const Operand<T>&, const Sizes&, T*, std::uint8_t*, const Context&);
RESNET_TORCH_INSTANTIATE(float)
RESNET_TORCH_INSTANTIATE(__half)
RESNET_TORCH_INSTANTIATE(__nv_bfloat16)

}  // namespace resnet_torch::cuda
