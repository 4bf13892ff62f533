#pragma once

#include "cuda/grid.h"
#include "cuda/norm.h"
#include "cuda/packet.cuh"

namespace resnet_torch::cuda {

/// Channels that a thread takes at a time where they lie in whole packets; else one.
inline constexpr int kPacketChannels = 8;

template <class T>
inline constexpr int kResidentBlocks = residentBlocks(sizeof(T));

/// A thread's way over values [rows, channels]: it keeps `kWidth` channels, whose factors and sums stay in registers,
/// and goes down the rows.
template <int kWidth>
struct Walk {
  __device__ __forceinline__ explicit Walk(const Sizes& sizes)
      : rows(sizes.rows),
        channels(sizes.channels),
        channel((static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x)) * kWidth),
        first(static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y),
        stride(static_cast<std::int64_t>(gridDim.y) * blockDim.y),
        inside(channel < sizes.channels) {}

  /// use(row, load(row)) for the thread's rows, `kTogether` loads ahead of their uses.
  template <int kTogether, class Load, class Use>
  __device__ __forceinline__ void overRows(Load load, Use use) const {
    auto row = first;
    for (; row + (kTogether - 1) * stride < rows; row += kTogether * stride) {
      decltype(load(row)) held[kTogether];
#pragma unroll
      for (int i = 0; i < kTogether; ++i) held[i] = load(row + i * stride);
#pragma unroll
      for (int i = 0; i < kTogether; ++i) use(row + i * stride, held[i]);
    }
    for (; row < rows; row += stride) use(row, load(row));
  }

  /// Position of the thread's channels in a row.
  __device__ __forceinline__ std::int64_t at(std::int64_t row) const { return row * channels + channel; }

  std::int64_t rows;
  int channels, channel;
  std::int64_t first, stride;
  bool inside;
};

/// Grid and block of a Walk; sums of a block's rows are one part.
inline Shape walkShape(const Sizes& sizes, const Grid& grid) {
  static_assert(kThreads == kBlockThreads);
  require(sizes.rows < (std::int64_t{1} << 31) && sizes.channels > 0, "A kernel was given sizes out of range");
  return {dim3(static_cast<unsigned>(grid.across), static_cast<unsigned>(grid.parts)),
          dim3(static_cast<unsigned>(grid.lanes), static_cast<unsigned>(grid.down))};
}

inline Shape sweepShape(const Sizes& sizes, int width, int resident, const Context& context) {
  return walkShape(sizes, sweepGrid(sizes.rows, sizes.channels, width, resident, context.multiprocessors));
}

inline Shape sumsShape(const Sizes& sizes, int width, int resident, const Context& context) {
  const auto shape = walkShape(sizes, sumsGrid(sizes.rows, sizes.channels, width, resident, context.multiprocessors));
  require(shape.grid.x <= kMostColumns, "Sums over more channels than blocks can meet for");
  return shape;
}

/// What another block wrote, past the first cache, which may hold what was there before.
template <int kWidth>
__device__ __forceinline__ void loadOthers(const float* from, float (&to)[kWidth]) {
  if constexpr (kWidth == 4) {
    const float4 word = __ldcg(reinterpret_cast<const float4*>(from));
    to[0] = word.x, to[1] = word.y, to[2] = word.z, to[3] = word.w;
  } else {
    static_assert(kWidth == 1);
    to[0] = __ldcg(from);
  }
}

/// Adds up sums by channel over the block's threads, in fixed order, and writes them as its part of the partial sums
/// [gridDim.y, kCount, channels].
template <int kCount, int kWidth, class Column>
__device__ __forceinline__ void writePart(const Walk<kWidth>& walk, const float (&sums)[kCount][kWidth],
                                          Column& column, float* partials) {
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const int lanes = static_cast<int>(blockDim.x), down = static_cast<int>(blockDim.y);
  const int lane = thread % lanes, place = thread / lanes;
  const int channel = (static_cast<int>(blockIdx.x) * lanes + lane) * kWidth + place;
#pragma unroll
  for (int sum = 0; sum < kCount; ++sum) {
    if (sum > 0) __syncthreads();
#pragma unroll
    for (int i = 0; i < kWidth; ++i) column[i * kThreads + thread] = sums[sum][i];
    __syncthreads();
    if (place >= kWidth || channel >= walk.channels) continue;
    float total = 0;
    for (int y = 0; y < down; ++y) total += column[place * kThreads + y * lanes + lane];
    partials[(static_cast<std::int64_t>(blockIdx.y) * kCount + sum) * walk.channels + channel] = total;
  }
}

/// Sums by channel over all rows, of a grid whose blocks each hand in what their threads summed up: the last block of
/// a column to come adds up the parts of all of them, in fixed order, and calls finish(channel, sums) for each
/// channel of the column. No block waits for another. All threads of all blocks call it.
template <int kCount, int kWidth, class Finish>
__device__ __forceinline__ void finishSums(const Walk<kWidth>& walk, const float (&sums)[kCount][kWidth],
                                           const Workspace& workspace, Finish finish) {
  RESNET_TORCH_SHARED(float, column, kWidth* kThreads);
  RESNET_TORCH_SHARED(unsigned, arrived, 1);
  writePart(walk, sums, column, workspace.partials);
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const unsigned parts = gridDim.y;
  // The block says that it has come when all of its threads' writes are on their way to whoever comes last.
  __threadfence();
  __syncthreads();
  if (thread == 0) arrived[0] = atomicInc(workspace.arrivals + blockIdx.x, parts - 1);
  __syncthreads();
  if (arrived[0] != parts - 1) return;
  __threadfence();

  constexpr int kEach = kWidth == 1 ? 1 : 4, kAhead = 4;
  const int mine = static_cast<int>(blockDim.x) * kWidth, base = static_cast<int>(blockIdx.x) * mine;
  const int across = mine / kEach, rows = kThreads / across;
  const int place = thread % across, row = thread / across;
  double totals[kCount][kEach] = {};
  if (base + place * kEach < walk.channels) {
    for (int first = row; first < static_cast<int>(parts); first += kAhead * rows) {
      // A few in float32, as the parts are: doubles are slow on most cards.
      float several[kCount][kEach] = {};
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        const int part = first + i * rows;
        if (part >= static_cast<int>(parts)) continue;
#pragma unroll
        for (int sum = 0; sum < kCount; ++sum) {
          float value[kEach];
          const auto at = (static_cast<std::int64_t>(part) * kCount + sum) * walk.channels + base + place * kEach;
          loadOthers(workspace.partials + at, value);
#pragma unroll
          for (int k = 0; k < kEach; ++k) several[sum][k] += value[k];
        }
      }
#pragma unroll
      for (int sum = 0; sum < kCount; ++sum)
#pragma unroll
        for (int k = 0; k < kEach; ++k) totals[sum][k] += several[sum][k];
    }
  }
  double whole[kCount] = {};
#pragma unroll
  for (int sum = 0; sum < kCount; ++sum) {
    if (sum > 0) __syncthreads();
#pragma unroll
    for (int k = 0; k < kEach; ++k) column[(row * across + place) * kEach + k] = static_cast<float>(totals[sum][k]);
    __syncthreads();
    if (thread < mine)
      for (int y = 0; y < rows; ++y) whole[sum] += column[y * mine + thread];
  }
  if (thread < mine && base + thread < walk.channels) finish(base + thread, whole);
}

/// A bit a channel, whether a ReLU was open: `maskBytes` a row, bit c % 8 of byte c / 8.
__host__ __device__ constexpr std::int64_t maskBytes(int channels) {
  return (channels + 7) / 8;
}

}  // namespace resnet_torch::cuda
