#include "model/frozen_units.h"

#include <limits>

#include "core/errors.h"
#include "core/executor.h"
#include "model/finite.h"

namespace resnet_torch::model {

namespace {
constexpr bool kKeepNoWeight = false;

/// Behind a convolution and its ReLU nothing would show what it was computed with.
template <class Folded>
void requireFinite(const Folded& folded, const std::string& name, at::ScalarType dtype) {
  if (folded.finite()) return;
  throw Error("ERR_NON_FINITE", "The weights of " + name + " with those of its BatchNorm are not finite in " +
                                    c10::toString(dtype) +
                                    ": use the precision fp32 (--precision fp32), or other weights");
}
}  // namespace

FrozenUnits::FrozenUnits(const Network& model, int first, int last, at::ScalarType compute)
    : first_(first),
      last_(last),
      pools_(first < last && last == model.architecture().backboneUnits()),
      modelType_(model.dtype()),
      dtype_(compute),
      leavesBiases_(leavesBiases(model.device(), compute)) {
  const at::NoGradGuard noGrad;
  if (first == 0 && last > 0) {
    stem_.emplace(model.stem(), dtype_);
    requireFinite(*stem_, model.architecture().unitName(0), dtype_);
  }
  for (int unit = std::max(first, 1); unit < std::min(last, model.architecture().backboneUnits()); ++unit) {
    Executor::throwIfStopping();
    const auto& from = model.block(unit);
    Block block;
    for (const auto& layer : from.layers) {
      const bool addsShortcut = &layer == &from.layers.back() && from.downsample && leavesBiases_;
      block.convolutions.emplace_back(layer.convolution, layer.norm, dtype_, kKeepNoWeight,
                                      addsShortcut ? &from.downsample->norm : nullptr);
      requireFinite(block.convolutions.back(), layer.convolution.name, dtype_);
    }
    if (from.downsample) {
      const auto& [convolution, norm] = *from.downsample;
      block.downsample.emplace(convolution, norm, dtype_, kKeepNoWeight);
      requireFinite(*block.downsample, convolution.name, dtype_);
    }
    blocks_.push_back(std::move(block));
  }
}

at::Tensor FrozenUnits::run(const at::Tensor& input) {
  const at::NoGradGuard noGrad;
  const auto x = activations(input);
  return pools_ ? averaged(x, modelType_) : x;
}

at::Tensor FrozenUnits::activations(const at::Tensor& input) {
  const at::NoGradGuard noGrad;
  if (first_ >= last_) return input;
  return compute(input.to(dtype_).contiguous(at::MemoryFormat::ChannelsLast));
}

namespace {

/// What overflows goes down the shortcuts of its stage, and is lost behind the next one's first convolution, whose
/// ReLU makes 0 of what is not a number. The next shortcut's own convolution has no ReLU, and any of its channels
/// depends on all that it is given: one is looked at. On a device, without waiting: 0 for every image, or NaN.
class Overflow {
 public:
  void look(const at::Tensor& shortcut) {
    const auto channel = shortcut.select(1, 0);
    if (!channel.device().is_cpu()) {
      const auto found = channel.mul(0).sum({1, 2});
      found_ = found_.defined() ? found_.add_(found) : found;
      return;
    }
    for (const auto row : rowsNotFinite(channel)) rows_.push_back(row);
  }

  /// Makes the images in which anything overflowed NaN.
  void mark(at::Tensor& x) const {
    if (found_.defined()) x.select(1, 0).add_(found_.view({-1, 1, 1}));
    for (const auto row : rows_) x.select(0, row).fill_(std::numeric_limits<double>::quiet_NaN());
  }

 private:
  at::Tensor found_;
  std::vector<std::int64_t> rows_;
};

}  // namespace

at::Tensor FrozenUnits::shortcut(FoldedConvolution& downsample, const at::Tensor& x) const {
  return leavesBiases_ ? downsample.runPlain(x) : downsample.run(x, /*relu=*/false);
}

at::Tensor FrozenUnits::compute(at::Tensor x) {
  Overflow overflow;
  if (stem_) x = stem_->run(x);
  bool own = stem_.has_value() || x.is_cuda();  // whether x may be written over, which cuDNN does not
  for (auto& block : blocks_) {
    Executor::throwIfStopping();
    auto sum = block.downsample ? shortcut(*block.downsample, x) : own ? x : x.clone();
    // Before the first block nothing was added up yet.
    if (block.downsample && (first_ > 1 || &block != &blocks_.front())) overflow.look(sum);
    auto& last = block.convolutions.back();
    for (auto& convolution : block.convolutions)
      if (&convolution != &last) x = convolution.run(x, /*relu=*/true);
    last.runInto(x, sum);
    x = sum;
    own = true;
  }
  overflow.mark(x);
  return x;
}

std::string firstUnitNotFinite(const Network& model, int first, const at::Tensor& input, at::ScalarType compute) {
  const at::NoGradGuard noGrad;
  auto x = input;
  const auto& architecture = model.architecture();
  for (int unit = first; unit < architecture.backboneUnits(); ++unit) {
    x = FrozenUnits(model, unit, unit + 1, compute).activations(x);
    if (!allFiniteAnywhere(x)) return architecture.unitName(unit);
  }
  const auto pooled = first < architecture.backboneUnits() ? averaged(x, model.dtype()) : x;
  return allFiniteAnywhere(model.logits(pooled, {})) ? "" : architecture.units().back();
}

}  // namespace resnet_torch::model
