#include "cuda/pool.h"

#include "cuda/affine_gradients.cuh"

namespace resnet_torch::cuda {

namespace {

constexpr std::uint8_t kNowhere = 255;
constexpr float kLowest = -HUGE_VALF;

/// Where in which image a row of values lies.
struct Position {
  std::int64_t image;
  int row, column;

  __device__ __forceinline__ Position(std::int64_t number, int height, int width) {
    const auto line = static_cast<unsigned>(number) / static_cast<unsigned>(width);
    column = static_cast<int>(static_cast<unsigned>(number) % static_cast<unsigned>(width));
    row = static_cast<int>(line % static_cast<unsigned>(height));
    image = line / static_cast<unsigned>(height);
  }
};

/// Walks over the output: window o covers inputs 2o − 1 to 2o + 1.
template <class T, int kWidth>
__global__ void __launch_bounds__(kThreads, kResidentBlocks<T>)
    pool(Operand<T> x, PoolShape shape, int outHeight, int outWidth, T* __restrict__ y, std::uint8_t* places) {
  const Walk<kWidth> walk({shape.images * outHeight * outWidth, shape.channels});
  if (!walk.inside) return;
  float scale[kWidth], shift[kWidth];
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    scale[k] = x.scale ? x.scale[walk.channel + k] : 1;
    shift[k] = x.shift ? x.shift[walk.channel + k] : 0;
  }
  for (auto number = walk.first; number < walk.rows; number += walk.stride) {
    const Position to(number, outHeight, outWidth);
    float best[kWidth];
    Packet<std::uint8_t, kWidth> place;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) best[k] = kLowest, place.values[k] = kNowhere;
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      const int row = 2 * to.row - 1 + i;
      if (row < 0 || row >= shape.height) continue;
#pragma unroll
      for (int j = 0; j < 3; ++j) {
        const int column = 2 * to.column - 1 + j;
        if (column < 0 || column >= shape.width) continue;
        float value[kWidth];
        load(x.values + walk.at((to.image * shape.height + row) * shape.width + column), value);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
          value[k] = fmaf(value[k], scale[k], shift[k]);
          if (!(value[k] > best[k]) && value[k] == value[k]) continue;
          best[k] = value[k];
          place.values[k] = static_cast<std::uint8_t>(3 * i + j);
        }
      }
    }
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      if (!(best[k] <= 0)) continue;
      best[k] = 0;
      place.values[k] = kNowhere;
    }
    store(y + walk.at(number), best);
    if (places) storePacket(places + walk.at(number), place);
  }
}

/// Walks over the input. An even position lies in one window, in its middle; an odd one at the end of one and the
/// beginning of the next.
template <class T, int kWidth, bool hasValues>
__global__ void __launch_bounds__(kThreads, kResidentBlocks<T>)
    gather(const T* __restrict__ dy, const std::uint8_t* __restrict__ places, PoolShape shape, int outHeight,
           int outWidth, T* __restrict__ g, Branch<T> branch, AffineSums<hasValues ? 1 : 0> into,
           Workspace workspace) {
  constexpr int kCount = hasValues ? 2 : 1;
  const Walk<kWidth> walk({shape.images * shape.height * shape.width, shape.channels});
  float sums[kCount][kWidth] = {};
  if (walk.inside) {
    float mean[kWidth];
    if constexpr (hasValues) loadSingly(branch.mean + walk.channel, mean);
    for (auto number = walk.first; number < walk.rows; number += walk.stride) {
      const Position from(number, shape.height, shape.width);
      float total[kWidth] = {}, value[kWidth];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int row = (from.row + i) / 2;
        const bool rowCounts = i == 0 || (from.row % 2 != 0 && row < outHeight);
        if (!rowCounts) continue;
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const int column = (from.column + j) / 2;
          const bool counts = j == 0 || (from.column % 2 != 0 && column < outWidth);
          if (!counts) continue;
          const auto at = walk.at((from.image * outHeight + row) * outWidth + column);
          const int own = 3 * (from.row + 1 - 2 * row) + from.column + 1 - 2 * column;
          const auto place = loadPacket<kWidth>(places + at);
          load(dy + at, value);
#pragma unroll
          for (int k = 0; k < kWidth; ++k) total[k] += place.values[k] == own ? value[k] : 0;
        }
      }
      store(g + walk.at(number), total);
      if constexpr (hasValues) load(branch.values + walk.at(number), value);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        sums[0][k] += total[k];
        if constexpr (hasValues) sums[1][k] = fmaf(total[k], value[k] - mean[k], sums[1][k]);
      }
    }
  }
  finishSums(walk, sums, workspace, [&](int c, const double (&whole)[kCount]) { into.write(c, whole); });
}

template <class T, int kWidth>
void launchPool(const Operand<T>& x, const PoolShape& shape, T* y, std::uint8_t* places, const Context& context) {
  const auto sweep = sweepShape(shape.output(), kWidth, kResidentBlocks<T>, context);
  launch(pool<T, kWidth>, sweep.grid, sweep.block, context.stream, x, shape, shape.outHeight(), shape.outWidth(), y,
         places);
}

template <class T, int kWidth, bool hasValues>
void launchGather(const T* dy, const std::uint8_t* places, const PoolShape& shape, T* g, const Branch<T>& branch,
                  float* bias, const Workspace& workspace, const Context& context) {
  const auto sums = sumsShape(shape.input(), kWidth, kResidentBlocks<T>, context);
  AffineSums<hasValues ? 1 : 0> into;
  into.inverse = branch.inverse;
  into.weight = branch.weight;
  into.bias = bias;
  launch(gather<T, kWidth, hasValues>, sums.grid, sums.block, context.stream, dy, places, shape, shape.outHeight(),
         shape.outWidth(), g, branch, into, workspace);
}

}  // namespace

template <class T>
void normReluPool(const Operand<T>& x, const PoolShape& shape, T* y, std::uint8_t* places, const Context& context) {
  if (shape.output().rows == 0) return;
  require(shape.input().rows < (std::int64_t{1} << 31), "A batch is too large for pooling");
  const bool packed = shape.channels % kPacketChannels == 0 && aligned(16, x.values, y) && aligned(8, places);
  const auto run = packed ? launchPool<T, kPacketChannels> : launchPool<T, 1>;
  run(x, shape, y, places, context);
}

template <class T>
void normReluPoolBackward(const T* dy, const std::uint8_t* places, const PoolShape& shape, T* g,
                          const Branch<T>& branch, float* bias, const Workspace& workspace, const Context& context) {
  if (shape.input().rows == 0) return;
  const bool packed =
      shape.channels % kPacketChannels == 0 && aligned(16, dy, g, branch.values) && aligned(8, places);
  const auto run = branch.values ? (packed ? launchGather<T, kPacketChannels, true> : launchGather<T, 1, true>)
                                 : (packed ? launchGather<T, kPacketChannels, false> : launchGather<T, 1, false>);
  run(dy, places, shape, g, branch, bias, workspace, context);
}

#define RESNET_TORCH_INSTANTIATE(T)                                                                                 \
  template void normReluPool(const Operand<T>&, const PoolShape&, T*, std::uint8_t*, const Context&);               \
  template void normReluPoolBackward(const T*, const std::uint8_t*, const PoolShape&, T*, const Branch<T>&, float*, \
                                     const Workspace&, const Context&);
RESNET_TORCH_INSTANTIATE(float)
RESNET_TORCH_INSTANTIATE(__half)
RESNET_TORCH_INSTANTIATE(__nv_bfloat16)

}  // namespace resnet_torch::cuda
