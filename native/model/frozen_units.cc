#include "model/frozen_units.h"

#include "core/executor.h"
#include "model/units.h"

namespace resnet_torch::model {

namespace {
constexpr bool kKeepNoWeight = false;
constexpr std::int64_t kStemChannels = 64;
}  // namespace

FrozenUnits::FrozenUnits(const ResNet50& model, int first, int last, at::ScalarType compute)
    : first_(first), last_(last), modelType_(model.dtype()), dtype_(compute) {
  const at::NoGradGuard noGrad;
  if (first == 0 && last > 0) stem_.emplace(model.stemConvolution(), model.stemNorm(), dtype_);
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
  return compute(input.to(dtype_).contiguous(at::MemoryFormat::ChannelsLast));
}

at::Tensor FrozenUnits::compute(at::Tensor x) {
  if (stem_) x = stem_->run(x);
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
