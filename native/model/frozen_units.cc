#include "model/frozen_units.h"

#include <bit>

#include "core/executor.h"
#include "model/fused_ops.h"
#include "model/units.h"

namespace resnet_torch::model {

namespace {
constexpr bool kKeepNoWeight = false;
constexpr std::int64_t kStemChannels = 64;
}  // namespace

FrozenUnits::FrozenUnits(const ResNet50& model, int first, int last, at::ScalarType compute)
    : first_(first), last_(last), modelType_(model.dtype()), dtype_(compute) {
  const at::NoGradGuard noGrad;
  if (first == 0 && last > 0) stem_.emplace(model.stemConvolution(), model.stemNorm(), dtype_, kKeepNoWeight);
  for (int unit = std::max(first, 1); unit < std::min(last, kBackboneUnits); ++unit) {
    Executor::throwIfStopping();
    const auto& from = model.block(unit);
    Block block;
    for (std::size_t i = 0; i < from.convolutions.size(); ++i)
      block.convolutions.emplace_back(from.convolutions[i], from.norms[i], dtype_, kKeepNoWeight);
    if (from.downsample)
      block.downsample.emplace(from.downsample->convolution, from.downsample->norm, dtype_, kKeepNoWeight);
    blocks_.push_back(std::move(block));
  }
}

at::Tensor FrozenUnits::run(const at::Tensor& input) {
  const at::NoGradGuard noGrad;
  const auto x = activations(input);
  return first_ < last_ && last_ == kBackboneUnits ? averaged(x, modelType_) : x;
}

at::Tensor FrozenUnits::activations(const at::Tensor& input) {
  const at::NoGradGuard noGrad;
  if (first_ >= last_) return input;
  const auto x = input.to(dtype_).contiguous(at::MemoryFormat::ChannelsLast);
  const auto images = x.size(0), filled = x.device().is_cpu() ? filledSize(images, x.size(2), x.size(3)) : images;
  if (filled == images) return compute(x);
  auto more =
      at::zeros({filled, x.size(1), x.size(2), x.size(3)}, x.options()).contiguous(at::MemoryFormat::ChannelsLast);
  more.narrow(0, 0, images).copy_(x);
  return compute(more).narrow(0, 0, images);
}

std::int64_t FrozenUnits::filledSize(std::int64_t images, std::int64_t height, std::int64_t width) {
  if (metSize_ != std::pair(height, width)) met_.clear();
  metSize_ = {height, width};
  const auto found = met_.lower_bound(images);
  if (images == 0 || (found != met_.end() && *found <= 2 * images)) return images == 0 ? 0 : *found;
  // Nothing that fits was met: a power of two serves others too, where it is no more than the largest so far.
  auto filled = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(images)));
  if (met_.empty() || filled > *met_.rbegin()) filled = images;
  met_.insert(filled);
  return filled;
}

at::Tensor FrozenUnits::compute(at::Tensor x) {
  if (stem_) {
    const auto convolved = stem_->run(x, /*relu=*/false);
    x = normReluPool(convolved, identityState(convolved), nullptr);
  }
  bool own = stem_.has_value() || x.is_cuda();  // whether x may be written over, which cuDNN does not
  for (auto& block : blocks_) {
    Executor::throwIfStopping();
    auto sum = block.downsample ? block.downsample->run(x, /*relu=*/false) : own ? x : x.clone();
    const auto narrow = block.convolutions[0].run(x, /*relu=*/true);
    block.convolutions[2].runInto(block.convolutions[1].run(narrow, /*relu=*/true), sum);
    x = sum;
    own = true;
  }
  return x;
}

std::vector<std::int64_t> outputSizes(int units, std::int64_t size) {
  if (units == kBackboneUnits) return {kFeatures};
  const auto name = kUnits[static_cast<std::size_t>(units - 1)];
  const int stage = units == 1 ? 1 : name[5] - '0';  // "layer3.2"
  for (int halving = 0; halving < stage + 1; ++halving) size = (size + 1) / 2;
  return {units == 1 ? kStemChannels : kStemChannels << (stage + 1), size, size};
}

}  // namespace resnet_torch::model
