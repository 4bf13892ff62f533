#include "cuda/fused_ops.h"

#include <map>
#include <mutex>
#include <utility>

#include "cuda/fold.h"
#include "cuda/gradient_copies.h"
#include "cuda/images.h"
#include "cuda/norm.h"
#include "cuda/pool.h"
#include "cuda/stream.h"
#include "cuda/tensors.h"

namespace resnet_torch::cuda {

namespace {

NormState pointers(const at::Tensor& x, const model::NormState& state) {
  for (const auto& values : {state.mean, state.inverse, state.scale, state.shift, state.variance})
    requireByChannel(x, values);
  return {into<float>(state.mean), into<float>(state.inverse), into<float>(state.variance), into<float>(state.scale),
          into<float>(state.shift)};
}

template <class T>
Operand<T> operand(const at::Tensor& x, const at::Tensor& values, const model::NormState* state) {
  requireAlike(x, values);
  Operand<T> operand{from<T>(values)};
  if (!state) return operand;
  const auto factors = pointers(x, *state);
  operand.scale = factors.scale;
  operand.shift = factors.shift;
  return operand;
}

AffineGradients pointers(const model::AffineGradients& sums) {
  return {into<float>(sums.weight), into<float>(sums.bias)};
}

/// The place that the caller has for a vector by channel, or a new one.
at::Tensor placeOr(const at::Tensor& place, const at::Tensor& x) {
  if (!place.defined()) return floats(x, {x.size(1)});
  requireByChannel(x, place);
  return place;
}

model::AffineGradients gradientsFor(const at::Tensor& x, const model::AffineGradients& place) {
  return {placeOr(place.weight, x), placeOr(place.bias, x)};
}

/// Where the blocks of a stream's sums meet: kept, since it is cleared once, and each kernel leaves it as it found
/// it. Never let go of, so that nothing is freed when the process ends.
at::Tensor arrivalsOf(const at::Tensor& x, const Context& context) {
  static auto* const mutex = new std::mutex;
  static auto* const kept = new std::map<std::pair<at::DeviceIndex, CUstream_st*>, at::Tensor>;
  const std::lock_guard lock(*mutex);
  auto& own = (*kept)[{x.device().index(), context.stream}];
  if (!own.defined()) own = at::zeros({kMostColumns}, x.options().dtype(at::kInt));
  return own;
}

/// Holds the memory of a Workspace.
struct Room {
  Room(const at::Tensor& x, const Sizes& sizes, const Context& context)
      : partials(floats(x, {static_cast<std::int64_t>(normWorkspace(sizes, context))})),
        arrivals(arrivalsOf(x, context)) {}
  Workspace workspace() const { return {into<float>(partials), into<unsigned>(arrivals)}; }
  at::Tensor partials, arrivals;
};

/// `weight` receives the gradient of the branch's BatchNorm's weight.
template <class T>
Branch<T> branchOf(const at::Tensor& like, const model::Branch& branch, const at::Tensor& place, at::Tensor* weight) {
  if (!branch.state) return {};
  requireAlike(like, branch.values);
  const auto state = pointers(like, *branch.state);
  *weight = placeOr(place, like);
  return {from<T>(branch.values), state.mean, state.inverse, into<float>(*weight)};
}

model::NormState batchStatistics(const at::Tensor& x, const model::BatchNorm& norm) {
  const at::DeviceGuard guard(x.device());
  const auto context = contextOf(x.device());
  const auto sizes = sizesOf(x);
  requireByChannel(x, norm.weight);
  requireByChannel(x, norm.bias);
  const auto all = floats(x, {5, x.size(1)});
  model::NormState state;
  state.mean = all[0];
  state.inverse = all[1];
  state.scale = all[2];
  state.shift = all[3];
  state.variance = all[4];
  const Room room(x, sizes, context);
  withType(x, [&]<class T>(std::type_identity<T>) {
    batchStatistics(from<T>(x), sizes, from<float>(norm.weight), from<float>(norm.bias), pointers(x, state),
                    room.workspace(), context);
  });
  return state;
}

void updateRunning(std::span<const model::BatchMoments> batches, const at::Tensor& skip) {
  if (batches.empty()) return;
  const auto device = batches.front().mean.device();
  const at::DeviceGuard guard(device);
  TORCH_CHECK(!skip.defined() || (skip.device() == device && skip.scalar_type() == at::kInt && skip.numel() == 1));
  std::vector<RunningUpdate> updates;
  for (const auto& [norm, mean, variance] : batches) {
    const auto channels = norm->weight.numel();
    for (const auto& values : {mean, variance, norm->runningMean, norm->runningVar})
      TORCH_CHECK(values.numel() == channels && values.scalar_type() == at::kFloat && values.device() == device);
    updates.push_back({from<float>(mean), from<float>(variance), into<float>(norm->runningMean),
                       into<float>(norm->runningVar), into<std::int64_t>(norm->batchesTracked),
                       static_cast<int>(channels)});
  }
  updateRunning(updates, from<int>(skip), contextOf(device));
}

at::Tensor normAddRelu(const at::Tensor& x, const model::NormState& state, const at::Tensor& z,
                       const model::NormState* zState, at::Tensor* mask) {
  const at::DeviceGuard guard(x.device());
  const auto sizes = sizesOf(x);
  const auto y = likeOf(x);
  if (mask) *mask = at::empty({sizes.rows, (sizes.channels + 7) / 8}, x.options().dtype(at::kByte));
  withType(x, [&]<class T>(std::type_identity<T>) {
    normAddRelu(operand<T>(x, x, &state), operand<T>(x, z, zState), sizes, into<T>(y),
                mask ? into<std::uint8_t>(*mask) : nullptr, contextOf(x.device()));
  });
  return y;
}

model::AffineGradients normReluBackward(at::Tensor& dy, const at::Tensor& x, const model::NormState& state,
                                        const model::AffineGradients& place) {
  const at::DeviceGuard guard(x.device());
  const auto context = contextOf(x.device());
  const auto sizes = sizesOf(x);
  requireAlike(x, dy);
  const auto sums = gradientsFor(x, place);
  const Room room(x, sizes, context);
  withType(x, [&]<class T>(std::type_identity<T>) {
    normReluBackward(into<T>(dy), from<T>(x), sizes, pointers(x, state), pointers(sums), room.workspace(), context);
  });
  return sums;
}

model::AddReluSums addReluBackward(at::Tensor& dy, const at::Tensor& dySecond, const at::Tensor& opened,
                                   const model::Branch& x, const model::Branch& z, const model::AddReluSums& place) {
  const at::DeviceGuard guard(dy.device());
  const auto context = contextOf(dy.device());
  const auto sizes = sizesOf(dy);
  requireAlike(dy, dySecond);
  const bool masked = opened.scalar_type() == at::kByte;
  if (masked) {
    TORCH_CHECK(opened.device() == dy.device() && opened.numel() == sizes.rows * ((sizes.channels + 7) / 8));
  } else {
    requireAlike(dy, opened);
  }
  model::AddReluSums sums;
  sums.bias = placeOr(place.bias, dy);
  requireByChannel(dy, place.zBias);
  sums.zBias = place.zBias.defined() ? place.zBias : sums.bias;
  const Room room(dy, sizes, context);
  withType(dy, [&]<class T>(std::type_identity<T>) {
    AddReluBackward<T> pass;
    pass.dy = from<T>(dy);
    pass.dySecond = from<T>(dySecond);
    pass.mask = masked ? from<std::uint8_t>(opened) : nullptr;
    pass.output = masked ? nullptr : from<T>(opened);
    pass.g = into<T>(dy);
    pass.x = branchOf<T>(dy, x, place.weight, &sums.weight);
    pass.z = branchOf<T>(dy, z, place.zWeight, &sums.zWeight);
    pass.bias = into<float>(sums.bias);
    pass.zBias = into<float>(place.zBias);
    addReluBackward(pass, sizes, room.workspace(), context);
  });
  return sums;
}

at::Tensor normBackward(const at::Tensor& g, const at::Tensor& x, const model::NormState& state,
                        const model::AffineGradients& sums) {
  const at::DeviceGuard guard(x.device());
  requireAlike(x, g);
  const auto sizes = sizesOf(x);
  const auto dx = likeOf(x);
  withType(x, [&]<class T>(std::type_identity<T>) {
    normBackward(from<T>(g), from<T>(x), sizes, pointers(x, state), pointers(sums), into<T>(dx),
                 contextOf(x.device()));
  });
  return dx;
}

PoolShape poolShape(const at::Tensor& x) {
  return {x.size(0), static_cast<int>(x.size(2)), static_cast<int>(x.size(3)), static_cast<int>(x.size(1))};
}

at::Tensor normReluPool(const at::Tensor& x, const model::NormState& state, at::Tensor* places) {
  const at::DeviceGuard guard(x.device());
  const auto shape = poolShape(x);
  const std::vector<std::int64_t> sizes = {x.size(0), x.size(1), shape.outHeight(), shape.outWidth()};
  const auto y = at::empty(sizes, x.options(), at::MemoryFormat::ChannelsLast);
  if (places) *places = at::empty(sizes, x.options().dtype(at::kByte), at::MemoryFormat::ChannelsLast);
  withType(x, [&]<class T>(std::type_identity<T>) {
    normReluPool(operand<T>(x, x, &state), shape, into<T>(y), places ? into<std::uint8_t>(*places) : nullptr,
                 contextOf(x.device()));
  });
  return y;
}

model::PoolBackward normReluPoolBackward(const at::Tensor& dy, const at::Tensor& places, const at::Tensor& x,
                                         const model::NormState* state, const model::AffineGradients& place) {
  const at::DeviceGuard guard(x.device());
  const auto context = contextOf(x.device());
  const auto shape = poolShape(x);
  sizesOf(dy);
  TORCH_CHECK(dy.scalar_type() == x.scalar_type() && places.sizes() == dy.sizes() && dy.device() == x.device());
  model::PoolBackward answer;
  answer.g = likeOf(x);
  answer.sums.bias = placeOr(place.bias, x);
  const Room room(x, shape.input(), context);
  withType(x, [&]<class T>(std::type_identity<T>) {
    const auto branch = branchOf<T>(x, {x, state}, place.weight, &answer.sums.weight);
    normReluPoolBackward(from<T>(dy), from<std::uint8_t>(places), shape, into<T>(answer.g), branch,
                         into<float>(answer.sums.bias), room.workspace(), context);
  });
  return answer;
}

at::Tensor normalise(const at::Tensor& bytes, at::ScalarType dtype, std::int64_t channels) {
  const at::DeviceGuard guard(bytes.device());
  TORCH_CHECK(bytes.dim() == 4 && bytes.size(3) == 3 && bytes.scalar_type() == at::kByte);
  const auto pixels = bytes.contiguous();
  const auto count = pixels.size(0) * pixels.size(1) * pixels.size(2);
  const auto values = at::empty({pixels.size(0), channels, pixels.size(1), pixels.size(2)},
                                pixels.options().dtype(dtype), at::MemoryFormat::ChannelsLast);
  withType(values, [&]<class T>(std::type_identity<T>) {
    normaliseImages(from<std::uint8_t>(pixels), count, static_cast<int>(channels), into<T>(values),
                    contextOf(bytes.device()));
  });
  return values;
}

EvaluatedNorm evaluated(const at::Tensor& weight, const model::BatchNorm* norm) {
  if (!norm) return {};
  for (const auto& values : {norm->weight, norm->bias, norm->runningMean, norm->runningVar})
    TORCH_CHECK(values.device() == weight.device() && values.scalar_type() == at::kFloat && values.is_contiguous() &&
                    values.numel() == weight.size(0),
                "a BatchNorm does not fit its convolution");
  return {from<float>(norm->weight), from<float>(norm->bias), from<float>(norm->runningMean),
          from<float>(norm->runningVar)};
}

FoldedShape foldedShape(const at::Tensor& weight) {
  TORCH_CHECK(weight.scalar_type() == at::kFloat && weight.is_contiguous(at::MemoryFormat::ChannelsLast),
              "a convolution's weight lies in another way");
  return {static_cast<int>(weight.size(0)), weight.numel() / weight.size(0)};
}

model::FoldedWeight fold(const model::Convolution& convolution, const model::BatchNorm& norm,
                         const model::BatchNorm* second, at::ScalarType dtype) {
  const auto& weight = convolution.weight;
  const at::DeviceGuard guard(weight.device());
  model::FoldedWeight folded;
  folded.weight = at::empty(weight.sizes(), weight.options().dtype(dtype), at::MemoryFormat::ChannelsLast);
  folded.bias = at::empty({weight.size(0)}, weight.options().dtype(dtype));
  folded.shift = at::empty({weight.size(0)}, weight.options());
  withType(folded.weight, [&]<class T>(std::type_identity<T>) {
    foldNorm(from<float>(weight), foldedShape(weight), evaluated(weight, &norm), evaluated(weight, second),
             into<T>(folded.weight), into<T>(folded.bias), into<float>(folded.shift), contextOf(weight.device()));
  });
  return folded;
}

/// Values of the channels that a weight has, of an input's that may be more, as both lie channels-last.
struct Runs {
  std::int32_t from, own;
};
Runs runsOf(const at::Tensor& gradient, const at::Tensor& weight) {
  TORCH_CHECK(gradient.dim() == 4 && gradient.size(0) == weight.size(0) && gradient.size(1) >= weight.size(1) &&
                  gradient.size(2) == weight.size(2) && gradient.size(3) == weight.size(3) &&
                  gradient.device() == weight.device(),
              "a gradient does not fit its weight");
  if (gradient.size(1) == weight.size(1)) return {1, 1};
  return {static_cast<std::int32_t>(gradient.size(1)), static_cast<std::int32_t>(weight.size(1))};
}

void foldedGradients(const model::FoldedBackward& pass) {
  const auto& weight = pass.convolution->weight;
  const at::DeviceGuard guard(weight.device());
  const auto like = [&](const at::Tensor& gradient) {
    TORCH_CHECK(!gradient.defined() || (gradient.strides() == weight.strides() &&
                                        gradient.scalar_type() == at::kFloat && gradient.sizes() == weight.sizes()));
    return into<float>(gradient);
  };
  const auto gradient = pass.gradient.defined() ? pass.gradient.contiguous(at::MemoryFormat::ChannelsLast)
                                                : at::empty({0}, weight.options());
  withType(gradient, [&]<class T>(std::type_identity<T>) {
    FoldedGradients<T> to;
    if (pass.gradient.defined()) {
      const auto runs = runsOf(gradient, weight);
      to.gradient = from<T>(gradient);
      to.from = runs.from;
      to.own = runs.own;
    }
    to.sum = from<float>(pass.sum);
    to.weight = from<float>(weight);
    to.weightGradient = like(pass.weightGradient);
    to.scaleGradient = into<float>(pass.scaleGradient);
    to.biasGradient = into<float>(pass.biasGradient);
    foldedGradients(to, foldedShape(weight), evaluated(weight, pass.norm), contextOf(weight.device()));
  });
}

Storage storageOf(const at::Tensor& values) {
  return withType(values, []<class T>(std::type_identity<T>) {
    if (std::is_same_v<T, float>) return Storage::kFloat32;
    return std::is_same_v<T, __half> ? Storage::kFloat16 : Storage::kBfloat16;
  });
}

void copyGradients(std::span<const model::GradientCopy> copies) {
  if (copies.empty()) return;
  const auto device = copies.front().to.device();
  const at::DeviceGuard guard(device);
  std::vector<GradientCopy> all;
  std::vector<at::Tensor> held;
  for (const auto& [gradient, to] : copies) {
    TORCH_CHECK(to.scalar_type() == at::kFloat && to.device() == device &&
                to.is_contiguous(at::MemoryFormat::ChannelsLast));
    held.push_back(gradient.contiguous(at::MemoryFormat::ChannelsLast));
    const auto runs = runsOf(held.back(), to);
    all.push_back(
        {held.back().const_data_ptr(), into<float>(to), to.numel(), storageOf(gradient), runs.from, runs.own});
  }
  copyGradients(all, contextOf(device));
}

}  // namespace

const model::DeviceKernels kFusedOps = {
    .batchStatistics = batchStatistics,
    .updateRunning = updateRunning,
    .normAddRelu = normAddRelu,
    .normReluBackward = normReluBackward,
    .addReluBackward = addReluBackward,
    .normBackward = normBackward,
    .normReluPool = normReluPool,
    .normReluPoolBackward = normReluPoolBackward,
    .fold = fold,
    .foldedGradients = foldedGradients,
    .copyGradients = copyGradients,
    .normalise = normalise,
    // cuDNN's kernels for tensor cores take channels by fours; the fourth costs a thousandth of a step's traffic.
    .imageChannels = 4,
};

}  // namespace resnet_torch::cuda
