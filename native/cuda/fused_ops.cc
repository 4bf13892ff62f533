#include "cuda/fused_ops.h"

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
  if (!state || !state->scale.defined()) return operand;
  const auto factors = pointers(x, *state);
  operand.scale = factors.scale;
  operand.shift = factors.shift;
  return operand;
}

AffineGradients pointers(const model::AffineGradients& sums) {
  return {into<float>(sums.weight), into<float>(sums.bias)};
}

model::AffineGradients emptyGradients(const at::Tensor& x) {
  const auto both = floats(x, {2, x.size(1)});
  return {both[0], both[1]};
}

at::Tensor workspaceOf(const at::Tensor& x, const Sizes& sizes, const Context& context) {
  return floats(x, {static_cast<std::int64_t>(normWorkspace(sizes, context))});
}

/// `weight` receives the gradient of the branch's BatchNorm's weight.
template <class T>
Branch<T> branchOf(const at::Tensor& like, const model::Branch& branch, at::Tensor* weight) {
  if (!branch.state) return {};
  requireAlike(like, branch.values);
  const auto state = pointers(like, *branch.state);
  *weight = floats(like, {like.size(1)});
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
  const auto workspace = workspaceOf(x, sizes, context);
  withType(x, [&]<class T>(std::type_identity<T>) {
    batchStatistics(from<T>(x), sizes, from<float>(norm.weight), from<float>(norm.bias), pointers(x, state),
                    into<float>(workspace), context);
  });
  return state;
}

void updateRunning(std::span<const model::BatchMoments> batches, const at::Tensor& skip) {
  if (batches.empty()) return;
  const auto device = batches.front().mean.device();
  const at::DeviceGuard guard(device);
  TORCH_CHECK(batches.size() <= RunningUpdates::kMost);
  TORCH_CHECK(!skip.defined() || (skip.device() == device && skip.scalar_type() == at::kInt && skip.numel() == 1));
  RunningUpdates updates{};
  for (const auto& [norm, mean, variance] : batches) {
    const auto channels = norm->weight.numel();
    for (const auto& values : {mean, variance, norm->runningMean, norm->runningVar})
      TORCH_CHECK(values.numel() == channels && values.scalar_type() == at::kFloat && values.device() == device);
    updates.entries[updates.count++] = {from<float>(mean),
                                        from<float>(variance),
                                        into<float>(norm->runningMean),
                                        into<float>(norm->runningVar),
                                        into<std::int64_t>(norm->batchesTracked),
                                        static_cast<int>(channels)};
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

model::AffineGradients normReluBackward(at::Tensor& dy, const at::Tensor& x, const model::NormState& state) {
  const at::DeviceGuard guard(x.device());
  const auto context = contextOf(x.device());
  const auto sizes = sizesOf(x);
  requireAlike(x, dy);
  const auto sums = emptyGradients(x);
  const auto workspace = workspaceOf(x, sizes, context);
  withType(x, [&]<class T>(std::type_identity<T>) {
    normReluBackward(into<T>(dy), from<T>(x), sizes, pointers(x, state), pointers(sums), into<float>(workspace),
                     context);
  });
  return sums;
}

model::AddReluSums addReluBackward(at::Tensor& dy, const at::Tensor& dySecond, const at::Tensor& opened,
                                   const model::Branch& x, const model::Branch& z) {
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
  sums.bias = floats(dy, {dy.size(1)});
  const auto workspace = workspaceOf(dy, sizes, context);
  withType(dy, [&]<class T>(std::type_identity<T>) {
    AddReluBackward<T> pass;
    pass.dy = from<T>(dy);
    pass.dySecond = from<T>(dySecond);
    pass.mask = masked ? from<std::uint8_t>(opened) : nullptr;
    pass.output = masked ? nullptr : from<T>(opened);
    pass.g = into<T>(dy);
    pass.x = branchOf<T>(dy, x, &sums.weight);
    pass.z = branchOf<T>(dy, z, &sums.zWeight);
    pass.bias = into<float>(sums.bias);
    addReluBackward(pass, sizes, into<float>(workspace), context);
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
                                         const model::NormState* state) {
  const at::DeviceGuard guard(x.device());
  const auto context = contextOf(x.device());
  const auto shape = poolShape(x);
  sizesOf(dy);
  TORCH_CHECK(dy.scalar_type() == x.scalar_type() && places.sizes() == dy.sizes() && dy.device() == x.device());
  model::PoolBackward answer;
  answer.g = likeOf(x);
  answer.sums.bias = floats(x, {x.size(1)});
  const auto workspace = workspaceOf(x, shape.input(), context);
  withType(x, [&]<class T>(std::type_identity<T>) {
    const auto branch = branchOf<T>(x, {x, state}, &answer.sums.weight);
    normReluPoolBackward(from<T>(dy), from<std::uint8_t>(places), shape, into<T>(answer.g), branch,
                         into<float>(answer.sums.bias), into<float>(workspace), context);
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
    .normalise = normalise,
    // cuDNN's kernels for tensor cores take channels by fours; the fourth costs a thousandth of a step's traffic.
    .imageChannels = 4,
};

}  // namespace resnet_torch::cuda
