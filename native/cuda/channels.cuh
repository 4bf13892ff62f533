#pragma once

#include "cuda/packet.cuh"

namespace resnet_torch::cuda {

/// Channels that a thread takes at a time where they lie in whole packets; else one.
inline constexpr int kPacketChannels = 8;

/// Blocks that a multiprocessor holds of a sweep at least. Without this, the compiler may keep registers low for the
/// sake of more, and spill.
inline constexpr int kSweepBlocks = 2;

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

/// Grid and block of a Walk; sums of a block's rows are one part, so `most` bounds the number of parts.
inline Shape walkShape(const Sizes& sizes, int width, int rowsEach, int most) {
  require(sizes.rows < (std::int64_t{1} << 31) && sizes.channels > 0, "A kernel was given sizes out of range");
  int lanes = kWarp;
  // In whole packets fewer lanes may do, so that more rows go side by side; single channels share a warp's ballot.
  if (width > 1)
    while (lanes > 1 && (lanes / 2) * width >= sizes.channels) lanes /= 2;
  const int down = kThreads / lanes;
  const auto across = ceilDivide(sizes.channels, lanes * width);
  const auto wanted = ceilDivide(sizes.rows, down * rowsEach);
  auto parts = ceilDivide(most, across);
  if (parts > wanted) parts = wanted;
  if (parts > 65535) parts = 65535;
  if (parts < 1) parts = 1;
  return {dim3(static_cast<unsigned>(across), static_cast<unsigned>(parts)),
          dim3(static_cast<unsigned>(lanes), static_cast<unsigned>(down))};
}

/// For walks that write what they read.
inline Shape sweepShape(const Sizes& sizes, int width, const Context& context) {
  return walkShape(sizes, width, 2, 8 * context.multiprocessors);
}

/// For walks that sum up.
inline Shape sumsShape(const Sizes& sizes, int width, const Context& context) {
  return walkShape(sizes, width, 4, 4 * context.multiprocessors);
}

/// Adds up sums by channel over the block's threads, in fixed order, and writes them as its part of
/// `partials` [gridDim.y, kCount, channels]. All threads of the block call it.
template <int kCount, int kWidth>
__device__ __forceinline__ void writePartials(const Walk<kWidth>& walk, const float (&sums)[kCount][kWidth],
                                              float* partials) {
  RESNET_TORCH_SHARED(float, column, kWidth* kThreads);
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

/// A block of the kernels that add the parts up: so many channels, each by so many threads.
inline constexpr int kFinishChannels = 8, kFinishRows = kThreads / kFinishChannels;

inline Shape finishShape(int channels) {
  return {dim3(static_cast<unsigned>(ceilDivide(channels, kFinishChannels))), dim3(kFinishChannels, kFinishRows)};
}

/// The sums over all parts for channel blockIdx.x · kFinishChannels + threadIdx.x, in fixed order. All threads call
/// it; it answers to those of threadIdx.y = 0.
template <int kCount>
__device__ __forceinline__ void addPartials(const float* partials, int parts, int channels, double (&sums)[kCount]) {
  RESNET_TORCH_SHARED(double, column, kCount* kThreads);
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int channel = static_cast<int>(blockIdx.x) * kFinishChannels + x;
#pragma unroll
  for (int sum = 0; sum < kCount; ++sum) {
    double total = 0;
    if (channel < channels) {
#pragma unroll 4
      for (int part = y; part < parts; part += kFinishRows)
        total += partials[(static_cast<std::int64_t>(part) * kCount + sum) * channels + channel];
    }
    column[(sum * kFinishRows + y) * kFinishChannels + x] = total;
  }
  __syncthreads();
  if (y != 0) return;
#pragma unroll
  for (int sum = 0; sum < kCount; ++sum) {
    sums[sum] = 0;
    for (int row = 0; row < kFinishRows; ++row) sums[sum] += column[(sum * kFinishRows + row) * kFinishChannels + x];
  }
}

/// A bit a channel, whether a ReLU was open: `maskBytes` a row, bit c % 8 of byte c / 8.
__host__ __device__ constexpr std::int64_t maskBytes(int channels) {
  return (channels + 7) / 8;
}

}  // namespace resnet_torch::cuda
