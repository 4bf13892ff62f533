#include "cuda/affine_gradients.cuh"
#include "cuda/norm.h"

namespace resnet_torch::cuda {

namespace {

/// dy and x of one row.
template <class T, int kWidth>
struct Pair {
  Packet<T, kWidth> dy, x;
};

/// From Σ g and Σ g (x − mean), with g = dy where scale · x + shift > 0.
template <class T, int kWidth>
__global__ void __launch_bounds__(kThreads, kResidentBlocks<T>)
    reluSums(const T* __restrict__ dy, const T* __restrict__ x, Sizes sizes, NormState state, AffineSums<1> into,
             Workspace workspace) {
  const Walk<kWidth> walk(sizes);
  float sums[2][kWidth] = {};
  if (walk.inside) {
    float scale[kWidth], shift[kWidth], mean[kWidth];
    loadSingly(state.scale + walk.channel, scale);
    loadSingly(state.shift + walk.channel, shift);
    loadSingly(state.mean + walk.channel, mean);
    walk.template overRows<2>(
        [&](std::int64_t row) {
          return Pair<T, kWidth>{loadPacket<kWidth>(dy + walk.at(row)), loadPacket<kWidth>(x + walk.at(row))};
        },
        [&](std::int64_t, const Pair<T, kWidth>& pair) {
          float g[kWidth], value[kWidth];
          unpack(pair.dy, g);
          unpack(pair.x, value);
#pragma unroll
          for (int i = 0; i < kWidth; ++i) {
            g[i] = fmaf(value[i], scale[i], shift[i]) > 0 ? g[i] : 0;
            sums[0][i] += g[i];
            sums[1][i] = fmaf(g[i], value[i] - mean[i], sums[1][i]);
          }
        });
  }
  finishSums(walk, sums, workspace, [&](int c, const double (&whole)[2]) { into.write(c, whole); });
}

/// dx = scale · (g − mean(g) − (x − mean) · inverse² · mean(g (x − mean))), where `gated` with g = dy where
/// scale · x + shift > 0. The means over the rows are the affine gradients over their count.
template <class T, int kWidth, bool gated>
__global__ void __launch_bounds__(kThreads, kResidentBlocks<T>)
    gradient(const T* g, const T* __restrict__ x, Sizes sizes, NormState state, AffineGradients sums, T* dx) {
  const Walk<kWidth> walk(sizes);
  if (!walk.inside) return;
  float scale[kWidth], shift[kWidth], mean[kWidth], offset[kWidth], slope[kWidth];
  loadSingly(state.scale + walk.channel, scale);
  loadSingly(state.shift + walk.channel, shift);
  loadSingly(state.mean + walk.channel, mean);
  const float each = 1 / static_cast<float>(sizes.rows);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const int c = walk.channel + i;
    offset[i] = -scale[i] * sums.bias[c] * each;
    slope[i] = -scale[i] * state.inverse[c] * sums.weight[c] * each;
  }
  walk.template overRows<2>(
      [&](std::int64_t row) {
        return Pair<T, kWidth>{loadPacket<kWidth>(g + walk.at(row)), loadPacket<kWidth>(x + walk.at(row))};
      },
      [&](std::int64_t row, const Pair<T, kWidth>& pair) {
        float incoming[kWidth], value[kWidth];
        unpack(pair.dy, incoming);
        unpack(pair.x, value);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) {
          if constexpr (gated) incoming[i] = fmaf(value[i], scale[i], shift[i]) > 0 ? incoming[i] : 0;
          value[i] = fmaf(incoming[i], scale[i], fmaf(value[i] - mean[i], slope[i], offset[i]));
        }
        store(dx + walk.at(row), value);
      });
}

/// What one row of an AddReluBackward reads; of mask and output one.
template <class T, int kWidth>
struct AddReluRow {
  Packet<T, kWidth> dy, dySecond, output, x, z;
  unsigned mask;
};

/// It keeps more in registers than the others.
inline constexpr int kAddReluBlocks = 2;
/// Rows of which a thread has the loads under way: in float32, of two branches, one leaves no more registers.
template <class T, int kBranches>
inline constexpr int kAddReluTogether = sizeof(T) == 4 && kBranches == 2 ? 1 : 2;

template <bool hasX, bool hasZ>
inline constexpr int kBranchCount = (hasX ? 1 : 0) + (hasZ ? 1 : 0);

template <class T, int kWidth, bool hasX, bool hasZ>
__global__ void __launch_bounds__(kThreads, kAddReluBlocks)
    addReluSums(AddReluBackward<T> pass, Sizes sizes, AffineSums<kBranchCount<hasX, hasZ>> into,
                Workspace workspace) {
  constexpr int kCount = 1 + kBranchCount<hasX, hasZ>;
  const Walk<kWidth> walk(sizes);
  float sums[kCount][kWidth] = {};
  if (walk.inside) {
    float mean[kWidth], zMean[kWidth];
    if constexpr (hasX) loadSingly(pass.x.mean + walk.channel, mean);
    if constexpr (hasZ) loadSingly(pass.z.mean + walk.channel, zMean);
    const auto bytes = maskBytes(walk.channels);
    walk.template overRows<kAddReluTogether<T, kCount - 1>>(
        [&](std::int64_t row) {
          const auto at = walk.at(row);
          AddReluRow<T, kWidth> held;
          held.dy = loadPacket<kWidth>(pass.dy + at);
          if (pass.dySecond) held.dySecond = loadPacket<kWidth>(pass.dySecond + at);
          if (pass.mask) {
            held.mask = pass.mask[row * bytes + walk.channel / 8] >> (walk.channel % 8);
          } else {
            held.output = loadPacket<kWidth>(pass.output + at);
          }
          if constexpr (hasX) held.x = loadPacket<kWidth>(pass.x.values + at);
          if constexpr (hasZ) held.z = loadPacket<kWidth>(pass.z.values + at);
          return held;
        },
        [&](std::int64_t row, const AddReluRow<T, kWidth>& held) {
          float g[kWidth], value[kWidth];
          unpack(held.dy, g);
          if (pass.dySecond) {
            unpack(held.dySecond, value);
#pragma unroll
            for (int i = 0; i < kWidth; ++i) g[i] += value[i];
          }
          if (pass.mask) {
#pragma unroll
            for (int i = 0; i < kWidth; ++i) g[i] = (held.mask >> i) & 1 ? g[i] : 0;
          } else {
            unpack(held.output, value);
#pragma unroll
            for (int i = 0; i < kWidth; ++i) g[i] = value[i] > 0 ? g[i] : 0;
          }
          store(pass.g + walk.at(row), g);
          if constexpr (hasX) unpack(held.x, value);
#pragma unroll
          for (int i = 0; i < kWidth; ++i) {
            sums[0][i] += g[i];
            if constexpr (hasX) sums[1][i] = fmaf(g[i], value[i] - mean[i], sums[1][i]);
          }
          if constexpr (hasZ) {
            unpack(held.z, value);
#pragma unroll
            for (int i = 0; i < kWidth; ++i)
              sums[kCount - 1][i] = fmaf(g[i], value[i] - zMean[i], sums[kCount - 1][i]);
          }
        });
  }
  finishSums(walk, sums, workspace, [&](int c, const double (&whole)[kCount]) { into.write(c, whole); });
}

template <class T, int kWidth>
void launchReluBackward(T* dy, const T* x, const Sizes& sizes, const NormState& state, const AffineGradients& sums,
                        const Workspace& workspace, const Context& context) {
  const auto shape = sumsShape(sizes, kWidth, kResidentBlocks<T>, context),
             sweep = sweepShape(sizes, kWidth, kResidentBlocks<T>, context);
  AffineSums<1> into;
  into.inverse = state.inverse;
  into.weight = sums.weight;
  into.bias = sums.bias;
  launch(reluSums<T, kWidth>, shape.grid, shape.block, context.stream, dy, x, sizes, state, into, workspace);
  launch(gradient<T, kWidth, true>, sweep.grid, sweep.block, context.stream, dy, x, sizes, state, sums, dy);
}

template <class T, int kWidth, bool hasX, bool hasZ>
void launchAddReluOf(const AddReluBackward<T>& pass, const Sizes& sizes, const Workspace& workspace,
                     const Context& context) {
  constexpr int kBranches = kBranchCount<hasX, hasZ>;
  const auto shape = sumsShape(sizes, kWidth, kAddReluBlocks, context);
  const auto& first = hasX ? pass.x : pass.z;
  AffineSums<kBranches> into;
  into.inverse = first.inverse;
  into.weight = first.weight;
  into.secondInverse = pass.z.inverse;
  into.secondWeight = pass.z.weight;
  into.bias = pass.bias;
  into.secondBias = pass.zBias;
  launch(addReluSums<T, kWidth, hasX, hasZ>, shape.grid, shape.block, context.stream, pass, sizes, into, workspace);
}

template <class T, int kWidth>
void launchAddRelu(const AddReluBackward<T>& pass, const Sizes& sizes, const Workspace& workspace,
                   const Context& context) {
  const bool hasX = pass.x.values, hasZ = pass.z.values;
  const auto run = hasX ? (hasZ ? launchAddReluOf<T, kWidth, true, true> : launchAddReluOf<T, kWidth, true, false>)
                        : (hasZ ? launchAddReluOf<T, kWidth, false, true> : launchAddReluOf<T, kWidth, false, false>);
  run(pass, sizes, workspace, context);
}

template <class T, int kWidth>
void launchGradient(const T* g, const T* x, const Sizes& sizes, const NormState& state, const AffineGradients& sums,
                    T* dx, const Context& context) {
  const auto sweep = sweepShape(sizes, kWidth, kResidentBlocks<T>, context);
  launch(gradient<T, kWidth, false>, sweep.grid, sweep.block, context.stream, g, x, sizes, state, sums, dx);
}

}  // namespace

template <class T>
void normReluBackward(T* dy, const T* x, const Sizes& sizes, const NormState& state, const AffineGradients& sums,
                      const Workspace& workspace, const Context& context) {
  if (sizes.rows == 0) return;
  const bool packed = sizes.channels % kPacketChannels == 0 && aligned(16, dy, x);
  const auto run = packed ? launchReluBackward<T, kPacketChannels> : launchReluBackward<T, 1>;
  run(dy, x, sizes, state, sums, workspace, context);
}

template <class T>
void addReluBackward(const AddReluBackward<T>& pass, const Sizes& sizes, const Workspace& workspace,
                     const Context& context) {
  if (sizes.rows == 0) return;
  const bool packed = sizes.channels % kPacketChannels == 0 &&
                      aligned(16, pass.dy, pass.dySecond, pass.output, pass.g, pass.x.values, pass.z.values);
  const auto run = packed ? launchAddRelu<T, kPacketChannels> : launchAddRelu<T, 1>;
  run(pass, sizes, workspace, context);
}

template <class T>
void normBackward(const T* g, const T* x, const Sizes& sizes, const NormState& state, const AffineGradients& sums,
                  T* dx, const Context& context) {
  if (sizes.rows == 0) return;
  const bool packed = sizes.channels % kPacketChannels == 0 && aligned(16, g, x, dx);
  const auto run = packed ? launchGradient<T, kPacketChannels> : launchGradient<T, 1>;
  run(g, x, sizes, state, sums, dx, context);
}

#define RESNET_TORCH_INSTANTIATE(T)                                                                          \
  template void normReluBackward(T*, const T*, const Sizes&, const NormState&, const AffineGradients&,       \
                                 const Workspace&, const Context&);                                          \
  template void addReluBackward(const AddReluBackward<T>&, const Sizes&, const Workspace&, const Context&);  \
  template void normBackward(const T*, const T*, const Sizes&, const NormState&, const AffineGradients&, T*, \
                             const Context&);
RESNET_TORCH_INSTANTIATE(float)
RESNET_TORCH_INSTANTIATE(__half)
RESNET_TORCH_INSTANTIATE(__nv_bfloat16)

}  // namespace resnet_torch::cuda
