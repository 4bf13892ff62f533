#include "model/fused_ops.h"

#include <ATen/Parallel.h>
#include <ATen/record_function.h>

#include <cmath>

#include "core/cpu.h"
#include "model/device_kernels.h"
#include "model/vector/norm_kernels.h"

namespace resnet_torch::model {

namespace {

/// Rows that one thread takes at a time: enough parts for many threads in the last stage too, with its 49 rows an
/// image. They do not depend on the number of threads, so that sums do not.
std::int64_t rowsAtOnce(std::int64_t channels) {
  constexpr std::int64_t kValuesAtOnce = 1 << 16;
  return std::max<std::int64_t>(32, kValuesAtOnce / channels);
}

const KernelTable& table() {
  static const KernelTable& chosen = [&]() -> const KernelTable& {
#ifdef RESNET_TORCH_X86_KERNELS
    const auto set = vectorSet();
    if (set == VectorSet::kAvx512Bf16) return *kernelsAvx512Bf16();
    if (set == VectorSet::kAvx512) return *kernelsAvx512();
    if (set == VectorSet::kAvx2) return *kernelsAvx2();
#endif
    return *kernelsDefault();
  }();
  return chosen;
}

template <class T>
const NormKernels<T>& kernels() {
  if constexpr (std::is_same_v<T, double>) return table().float64;
  if constexpr (std::is_same_v<T, float>) return table().float32;
  if constexpr (std::is_same_v<T, c10::BFloat16>) return table().bfloat16;
}

/// Calls body(T{}) for the tensor's element type.
template <class Body>
decltype(auto) withType(const at::Tensor& x, Body body) {
  TORCH_CHECK(x.device().is_cpu() && x.is_contiguous(at::MemoryFormat::ChannelsLast) && x.size(1) % 32 == 0);
  switch (x.scalar_type()) {
    case at::kDouble:
      return body(double{});
    case at::kFloat:
      return body(float{});
    default:
      TORCH_CHECK(x.scalar_type() == at::kBFloat16);
      return body(c10::BFloat16{});
  }
}

at::ScalarType wideType(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

std::int64_t rowsOf(const at::Tensor& x) {
  return x.size(0) * x.size(2) * x.size(3);
}

template <class T>
Operand<T> operand(const at::Tensor& values, const NormState* state) {
  Operand<T> operand{values.const_data_ptr<T>()};
  if (!state) return operand;
  operand.scale = state->scale.const_data_ptr<Wide<T>>();
  operand.shift = state->shift.const_data_ptr<Wide<T>>();
  return operand;
}

at::Tensor likeOf(const at::Tensor& x) {
  return at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast);
}

/// Splits rows between threads; body(first, last).
template <class Body>
void overRows(std::int64_t rows, std::int64_t atOnce, Body body) {
  at::parallel_for(0, (rows + atOnce - 1) / atOnce, 1,
                   [&](std::int64_t begin, std::int64_t end) { body(begin * atOnce, std::min(end * atOnce, rows)); });
}

/// `count` sums by channel over all rows: body(first, last, sums [count][channels]) adds up some rows; the parts are
/// added in a fixed order.
template <class Body>
std::vector<double> summed(std::int64_t rows, std::int64_t atOnce, std::int64_t channels, int count, Body body) {
  const auto parts = (rows + atOnce - 1) / atOnce;
  const auto width = static_cast<std::size_t>(count * channels);
  std::vector<double> sums(static_cast<std::size_t>(parts) * width);
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto part = begin; part < end; ++part)
      body(part * atOnce, std::min((part + 1) * atOnce, rows), sums.data() + static_cast<std::size_t>(part) * width);
  });
  for (std::int64_t part = 1; part < parts; ++part)
    for (std::size_t i = 0; i < width; ++i) sums[i] += sums[static_cast<std::size_t>(part) * width + i];
  sums.resize(width);
  return sums;
}

/// A vector by channel in the statistics' dtype, from a function of the channel.
template <class Value>
at::Tensor byChannel(const at::Tensor& x, Value value) {
  auto wide = at::empty({x.size(1)}, at::kDouble);
  auto* to = wide.mutable_data_ptr<double>();
  for (std::int64_t c = 0; c < x.size(1); ++c) to[c] = value(c);
  return wide.to(wideType(x));
}

at::Tensor asDouble(const at::Tensor& values) {
  return values.detach().to(at::kDouble).contiguous();
}

/// Factors of dx = scale · g + slope · x + offset, which is BatchNorm's gradient:
/// scale · (g − mean(g) − (x − mean) · inverse² · mean(g · (x − mean))).
struct GradientFactors {
  at::Tensor slope, offset;
};

GradientFactors gradientFactors(const at::Tensor& x, const NormState& state, const double* sum, const double* sumX) {
  const auto count = static_cast<double>(rowsOf(x));
  const auto mean = asDouble(state.mean), inverse = asDouble(state.inverse), scale = asDouble(state.scale);
  const auto *m = mean.const_data_ptr<double>(), *i = inverse.const_data_ptr<double>(),
             *s = scale.const_data_ptr<double>();
  const auto slope = [&](std::int64_t c) { return -s[c] * i[c] * i[c] * sumX[c] / count; };
  return {byChannel(x, slope),
          byChannel(x, [&](std::int64_t c) { return -s[c] * sum[c] / count - slope(c) * m[c]; })};
}

AffineGradients affineGradients(const at::Tensor& x, const NormState& state, const double* sum, const double* sumX) {
  const auto inverse = asDouble(state.inverse);
  const auto* i = inverse.const_data_ptr<double>();
  return {byChannel(x, [&](std::int64_t c) { return sumX[c] * i[c]; }),
          byChannel(x, [&](std::int64_t c) { return sum[c]; })};
}

}  // namespace

NormState batchStatistics(const at::Tensor& x, const BatchNorm& norm) {
  if (const auto* device = deviceKernels(x.device())) return device->batchStatistics(x, norm);
  RECORD_FUNCTION("resnet_torch::batchStatistics", std::vector<c10::IValue>());
  const auto channels = x.size(1), rows = rowsOf(x);
  // Deviations are taken from the first row, so that a mean far from zero costs no digits.
  const auto origin = x.select(0, 0).select(1, 0).select(1, 0).to(wideType(x)).contiguous();
  const auto sums = withType(x, [&](auto type) {
    using T = decltype(type);
    const auto* from = x.const_data_ptr<T>();
    return summed(rows, rowsAtOnce(channels), channels, 2, [&](std::int64_t first, std::int64_t last, double* into) {
      kernels<T>().moments(from + first * channels, last - first, channels, origin.template const_data_ptr<Wide<T>>(),
                           into, into + channels);
    });
  });
  const auto start = asDouble(origin), weight = asDouble(norm.weight), bias = asDouble(norm.bias);
  const auto *k = start.const_data_ptr<double>(), *gamma = weight.const_data_ptr<double>(),
             *beta = bias.const_data_ptr<double>();
  const auto count = static_cast<double>(rows);
  const auto shifted = [&](std::int64_t c) { return sums[c] / count; };
  const auto variance = [&](std::int64_t c) {
    return std::max(0.0, sums[channels + c] / count - shifted(c) * shifted(c));
  };
  const auto inverse = [&](std::int64_t c) { return 1 / std::sqrt(variance(c) + kBatchNormEpsilon); };
  NormState state;
  state.mean = byChannel(x, [&](std::int64_t c) { return k[c] + shifted(c); });
  state.inverse = byChannel(x, inverse);
  state.scale = byChannel(x, [&](std::int64_t c) { return gamma[c] * inverse(c); });
  state.shift = byChannel(x, [&](std::int64_t c) { return beta[c] - gamma[c] * inverse(c) * (k[c] + shifted(c)); });
  state.variance = byChannel(x, [&](std::int64_t c) { return variance(c) * count / (count - 1); });
  return state;
}

void updateRunning(std::span<const BatchMoments> batches, const at::Tensor& skip) {
  if (batches.empty()) return;
  if (const auto* device = deviceKernels(batches.front().mean.device())) return device->updateRunning(batches, skip);
  TORCH_CHECK(!skip.defined(), "on the CPU it is known whether a step holds");
  for (const auto& [norm, mean, variance] : batches) {
    at::Tensor(norm->runningMean).mul_(1 - kBatchNormMomentum).add_(mean, kBatchNormMomentum);
    at::Tensor(norm->runningVar).mul_(1 - kBatchNormMomentum).add_(variance, kBatchNormMomentum);
    at::Tensor(norm->batchesTracked).add_(1);
  }
}

NormState identityState(const at::Tensor& x) {
  NormState state;
  if (deviceKernels(x.device())) return state;
  const auto options = at::TensorOptions().dtype(wideType(x)).device(x.device());
  state.scale = at::ones({x.size(1)}, options);
  state.shift = at::zeros({x.size(1)}, options);
  return state;
}

at::Tensor normRelu(const at::Tensor& x, const NormState& state) {
  return normAddRelu(x, state, {}, nullptr, nullptr);
}

at::Tensor normAddRelu(const at::Tensor& x, const NormState& state, const at::Tensor& z, const NormState* zState,
                       at::Tensor* mask) {
  if (const auto* device = deviceKernels(x.device())) return device->normAddRelu(x, state, z, zState, mask);
  RECORD_FUNCTION("resnet_torch::normAddRelu", std::vector<c10::IValue>());
  auto y = likeOf(x);
  withType(x, [&](auto type) {
    using T = decltype(type);
    const auto channels = x.size(1);
    const auto left = operand<T>(x, &state);
    const auto right = z.defined() ? operand<T>(z, zState) : Operand<T>{};
    auto* to = y.template mutable_data_ptr<T>();
    overRows(rowsOf(x), rowsAtOnce(channels), [&](std::int64_t first, std::int64_t last) {
      auto a = left, b = right;
      a.values += first * channels;
      if (b.values) b.values += first * channels;
      kernels<T>().apply(a, b, last - first, channels, to + first * channels);
    });
  });
  return y;
}

AffineGradients normReluBackward(at::Tensor& dy, const at::Tensor& x, const NormState& state,
                                 const AffineGradients& place) {
  if (const auto* device = deviceKernels(x.device())) return device->normReluBackward(dy, x, state, place);
  RECORD_FUNCTION("resnet_torch::normReluBackward", std::vector<c10::IValue>());
  return withType(x, [&](auto type) {
    using T = decltype(type);
    const auto channels = x.size(1), rows = rowsOf(x);
    const auto from = operand<T>(x, &state);
    auto* gradient = dy.mutable_data_ptr<T>();
    const auto* mean = state.mean.template const_data_ptr<Wide<T>>();
    const auto at = [&](std::int64_t row) {
      auto moved = from;
      moved.values += row * channels;
      return moved;
    };
    const auto sums =
        summed(rows, rowsAtOnce(channels), channels, 2, [&](std::int64_t first, std::int64_t last, double* into) {
          kernels<T>().reluSums(gradient + first * channels, at(first), mean, last - first, channels, into,
                                into + channels);
        });
    const auto factors = gradientFactors(x, state, sums.data(), sums.data() + channels);
    overRows(rows, rowsAtOnce(channels), [&](std::int64_t first, std::int64_t last) {
      kernels<T>().reluGradient(
          gradient + first * channels, at(first), factors.slope.template const_data_ptr<Wide<T>>(),
          factors.offset.template const_data_ptr<Wide<T>>(), last - first, channels, gradient + first * channels);
    });
    return affineGradients(x, state, sums.data(), sums.data() + channels);
  });
}

AddReluSums addReluBackward(at::Tensor& dy, const at::Tensor& dySecond, const at::Tensor& opened, const Branch& x,
                            const Branch& z, const AddReluSums& place) {
  if (const auto* device = deviceKernels(dy.device()))
    return device->addReluBackward(dy, dySecond, opened, x, z, place);
  RECORD_FUNCTION("resnet_torch::addReluBackward", std::vector<c10::IValue>());
  return withType(dy, [&](auto type) {
    using T = decltype(type);
    const auto channels = dy.size(1), rows = rowsOf(dy);
    GradientSums<T> whole;
    whole.dy = dy.const_data_ptr<T>();
    whole.g = dy.mutable_data_ptr<T>();
    whole.output = opened.const_data_ptr<T>();
    if (dySecond.defined()) whole.dySecond = dySecond.const_data_ptr<T>();
    if (x.state) {
      whole.x = x.values.const_data_ptr<T>();
      whole.mean = x.state->mean.template const_data_ptr<Wide<T>>();
    }
    if (z.state) {
      whole.z = z.values.const_data_ptr<T>();
      whole.zMean = z.state->mean.template const_data_ptr<Wide<T>>();
    }
    const auto sums =
        summed(rows, rowsAtOnce(channels), channels, 3, [&](std::int64_t first, std::int64_t last, double* into) {
          auto pass = whole;
          const auto skip = first * channels;
          pass.dy += skip;
          pass.g += skip;
          pass.output += skip;
          if (pass.dySecond) pass.dySecond += skip;
          if (pass.x) pass.x += skip;
          if (pass.z) pass.z += skip;
          pass.sum = into;
          pass.sumX = into + channels;
          pass.sumZ = into + 2 * channels;
          kernels<T>().sums(pass, last - first, channels);
        });
    AddReluSums answer;
    answer.bias = answer.zBias = byChannel(dy, [&](std::int64_t c) { return sums[c]; });
    if (x.state) answer.weight = affineGradients(dy, *x.state, sums.data(), sums.data() + channels).weight;
    if (z.state) answer.zWeight = affineGradients(dy, *z.state, sums.data(), sums.data() + 2 * channels).weight;
    return answer;
  });
}

at::Tensor normBackward(const at::Tensor& g, const at::Tensor& x, const NormState& state,
                        const AffineGradients& sums) {
  if (const auto* device = deviceKernels(x.device())) return device->normBackward(g, x, state, sums);
  RECORD_FUNCTION("resnet_torch::normBackward", std::vector<c10::IValue>());
  auto dx = likeOf(x);
  const auto channels = x.size(1);
  const auto sum = asDouble(sums.bias), sumX = asDouble(sums.weight.to(at::kDouble) / state.inverse.to(at::kDouble));
  const auto factors = gradientFactors(x, state, sum.const_data_ptr<double>(), sumX.const_data_ptr<double>());
  withType(x, [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    overRows(rowsOf(x), rowsAtOnce(channels), [&](std::int64_t first, std::int64_t last) {
      const auto skip = first * channels;
      kernels<T>().gradient(g.const_data_ptr<T>() + skip, x.const_data_ptr<T>() + skip,
                            state.scale.template const_data_ptr<A>(), factors.slope.template const_data_ptr<A>(),
                            factors.offset.template const_data_ptr<A>(), last - first, channels,
                            dx.template mutable_data_ptr<T>() + skip);
    });
  });
  return dx;
}

namespace {

PoolShape poolShape(const at::Tensor& x) {
  return {x.size(2), x.size(3), (x.size(2) - 1) / 2 + 1, (x.size(3) - 1) / 2 + 1, x.size(1)};
}

/// Image rows that one thread takes at a time.
constexpr std::int64_t kLinesAtOnce = 16;

}  // namespace

at::Tensor normReluPool(const at::Tensor& x, const NormState& state, at::Tensor* places) {
  if (const auto* device = deviceKernels(x.device())) return device->normReluPool(x, state, places);
  RECORD_FUNCTION("resnet_torch::normReluPool", std::vector<c10::IValue>());
  const auto shape = poolShape(x);
  const std::vector<std::int64_t> sizes = {x.size(0), shape.channels, shape.outHeight, shape.outWidth};
  auto y = at::empty(sizes, x.options(), at::MemoryFormat::ChannelsLast);
  if (places) *places = at::empty(sizes, x.options().dtype(at::kByte), at::MemoryFormat::ChannelsLast);
  withType(x, [&](auto type) {
    using T = decltype(type);
    overRows(x.size(0) * shape.outHeight, kLinesAtOnce, [&](std::int64_t first, std::int64_t last) {
      kernels<T>().pool(operand<T>(x, &state), shape, first, last, y.template mutable_data_ptr<T>(),
                        places ? places->mutable_data_ptr<std::uint8_t>() : nullptr);
    });
  });
  return y;
}

PoolBackward normReluPoolBackward(const at::Tensor& dy, const at::Tensor& places, const at::Tensor& x,
                                  const NormState* state, const AffineGradients& place) {
  if (const auto* device = deviceKernels(x.device()))
    return device->normReluPoolBackward(dy, places, x, state, place);
  RECORD_FUNCTION("resnet_torch::normReluPoolBackward", std::vector<c10::IValue>());
  PoolBackward answer;
  answer.g = likeOf(x);
  const auto shape = poolShape(x);
  withType(x, [&](auto type) {
    using T = decltype(type);
    const auto sums =
        summed(x.size(0) * shape.height, kLinesAtOnce, shape.channels, 2,
               [&](std::int64_t first, std::int64_t last, double* into) {
                 kernels<T>().poolSums(dy.const_data_ptr<T>(), places.const_data_ptr<std::uint8_t>(),
                                       state ? x.const_data_ptr<T>() : nullptr,
                                       state ? state->mean.template const_data_ptr<Wide<T>>() : nullptr, shape, first,
                                       last, answer.g.template mutable_data_ptr<T>(), into, into + shape.channels);
               });
    if (state) {
      answer.sums = affineGradients(x, *state, sums.data(), sums.data() + shape.channels);
    } else {
      answer.sums.bias = byChannel(x, [&](std::int64_t c) { return sums[c]; });
    }
  });
  return answer;
}

}  // namespace resnet_torch::model
