#include "model/folded_convolution.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "core/cpu.h"
#include "model/device_kernels.h"
#include "model/finite.h"

namespace resnet_torch::model {

namespace {

const std::vector<std::int64_t> kNoDilation = {1, 1};

using Scalars = c10::List<std::optional<at::Scalar>>;
using Pointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, at::IntArrayRef,
                             at::IntArrayRef, at::IntArrayRef, std::int64_t, std::string_view, Scalars,
                             std::optional<std::string_view>);
using PointwiseInto = at::Tensor&(at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                  at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, std::int64_t, std::string_view,
                                  std::optional<at::Scalar>, std::optional<std::string_view>, Scalars,
                                  std::optional<std::string_view>);

/// oneDNN's convolution with what follows it, as torch.compile calls it; absent in builds without oneDNN.
const std::optional<c10::OperatorHandle>& pointwise() {
  static const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_convolution_pointwise", ""});
  return found;
}

const std::optional<c10::OperatorHandle>& pointwiseInto() {
  static const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_convolution_pointwise_", "binary"});
  return found;
}

bool canFuse(at::ScalarType dtype, at::Device device) {
  const bool known = dtype == at::kFloat || (dtype == at::kBFloat16 && hasFastBf16());
  return known && device.is_cpu() && at::globalContext().userEnabledMkldnn() && at::hasMKLDNN() && pointwise() &&
         pointwiseInto();
}

/// cuDNN's operations take no float64, and no empty batch.
bool byCudnn(const at::Tensor& x) {
  return x.is_cuda() && x.scalar_type() != at::kDouble && x.numel() > 0 && at::globalContext().userEnabledCuDNN();
}

/// weight · scale of its output channel: float64 products, rounded by way of float32 where the dtype is narrower.
/// Laid out channels-last, or plainly [out, in, k, k].
at::Tensor scaled(const at::Tensor& weight, const at::Tensor& scale, at::ScalarType dtype, bool channelsLast) {
  const auto layout = channelsLast ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  const auto wide = weight.scalar_type();
  if (wide != at::kFloat || !weight.device().is_cpu())
    return (weight.to(at::kDouble) * scale.view({-1, 1, 1, 1})).to(wide).to(dtype).contiguous(layout);
  const auto from = weight.contiguous(at::MemoryFormat::ChannelsLast);
  auto to = at::empty(weight.sizes(), weight.options(), layout);
  const auto* values = from.const_data_ptr<float>();
  const auto* factors = scale.const_data_ptr<double>();
  auto* out = to.mutable_data_ptr<float>();
  const auto inputs = weight.size(1), places = weight.size(2) * weight.size(3), each = inputs * places;
  at::parallel_for(0, weight.size(0), 1, [&](std::int64_t first, std::int64_t last) {
    for (auto channel = first; channel < last; ++channel) {
      const auto* row = values + channel * each;
      auto* target = out + channel * each;
      const double factor = factors[channel];
      if (channelsLast || places == 1) {
        for (std::int64_t i = 0; i < each; ++i) target[i] = static_cast<float>(row[i] * factor);
      } else {
        for (std::int64_t input = 0; input < inputs; ++input)
          for (std::int64_t place = 0; place < places; ++place)
            target[input * places + place] = static_cast<float>(row[place * inputs + input] * factor);
      }
    }
  });
  return to.to(dtype);
}

}  // namespace

bool leavesBiases(at::Device device, at::ScalarType dtype) {
  return deviceKernels(device) && dtype != at::kDouble;
}

at::Tensor foldingScale(const BatchNorm& norm) {
  return norm.weight.detach().to(at::kDouble) / (norm.runningVar.to(at::kDouble) + kBatchNormEpsilon).sqrt();
}

namespace {

/// β − mean · scale, in float64.
at::Tensor foldedShift(const BatchNorm& norm, const at::Tensor& scale) {
  return norm.bias.detach().to(at::kDouble) - norm.runningMean.to(at::kDouble) * scale;
}

}  // namespace

FoldedConvolution::FoldedConvolution(const Convolution& convolution, const BatchNorm& norm, at::ScalarType dtype,
                                     bool keepWeight, const BatchNorm* second)
    : stride_{convolution.stride, convolution.stride},
      padding_{convolution.padding, convolution.padding},
      inputs_(convolution.inputs()),
      groups_(convolution.groups),
      fused_(canFuse(dtype, convolution.weight.device())),
      keepWeight_(keepWeight) {
  const auto& weight = convolution.weight;
  const auto* device = deviceKernels(weight.device());
  if (device && dtype != at::kDouble && weight.scalar_type() == at::kFloat) {
    auto folded = device->fold(convolution, norm, second, dtype);
    weight_ = std::move(folded.weight);
    bias_ = std::move(folded.bias);
    shift_ = std::move(folded.shift);
    return;
  }
  const auto scale = foldingScale(norm);
  weight_ = scaled(weight.detach(), scale, dtype, keepWeight_ || !fused_);
  auto bias = foldedShift(norm, scale);
  if (second) bias = bias + foldedShift(*second, foldingScale(*second));
  bias_ = bias.to(dtype);
  shift_ = bias.to(dtype == at::kDouble ? at::kDouble : at::kFloat);
}

NormState FoldedConvolution::shift() const {
  NormState state;
  state.shift = shift_;
  return state;
}

bool FoldedConvolution::finite() const {
  return allFiniteAnywhere(weight_) && allFiniteAnywhere(bias_);
}

const at::Tensor& FoldedConvolution::packed(const at::Tensor& x) {
  auto& mine = x.size(0) == 1 ? forSingle_ : forBatch_;
  const auto& other = x.size(0) == 1 ? forBatch_ : forSingle_;
  if (mine.weight.defined() && mine.height == x.size(2) && mine.width == x.size(3)) return mine.weight;
  const auto from = mine.weight.defined()    ? mine.weight
                    : other.weight.defined() ? other.weight
                                             : weight_.contiguous().to_mkldnn();
  mine = {at::mkldnn_reorder_conv2d_weight(from, padding_, stride_, kNoDilation, groups_,
                                           at::OptionalIntArrayRef(x.sizes())),
          x.size(2), x.size(3)};
  if (!keepWeight_) weight_.reset();
  return mine.weight;
}

const at::Tensor& FoldedConvolution::weight(std::int64_t channels) {
  if (channels == inputs_) return weight_;
  if (!wideWeight_.defined()) wideWeight_ = forChannels(weight_, channels, groups_);
  return wideWeight_;
}

bool FoldedConvolution::fused(const at::Tensor& x) const {
  return fused_ && x.size(1) == inputs_;
}

at::Tensor FoldedConvolution::run(const at::Tensor& x, bool relu) {
  if (relu && byCudnn(x))
    return at::cudnn_convolution_relu(x, weight(x.size(1)), bias_, stride_, padding_, kNoDilation, groups_);
  if (!fused(x)) {
    auto y = at::conv2d(x, weight(x.size(1)), bias_, stride_, padding_, kNoDilation, groups_);
    return relu ? y.relu_() : y;
  }
  return pointwise()->typed<Pointwise>().call(x, packed(x), bias_, padding_, stride_, kNoDilation, groups_,
                                              relu ? "relu" : "none", Scalars(), std::nullopt);
}

at::Tensor FoldedConvolution::runPlain(const at::Tensor& x) {
  if (!fused(x)) return at::conv2d(x, weight(x.size(1)), {}, stride_, padding_, kNoDilation, groups_);
  return pointwise()->typed<Pointwise>().call(x, packed(x), std::nullopt, padding_, stride_, kNoDilation, groups_,
                                              "none", Scalars(), std::nullopt);
}

void FoldedConvolution::runInto(const at::Tensor& x, at::Tensor& sum) {
  if (byCudnn(x)) {
    sum = at::cudnn_convolution_add_relu(x, weight_, sum, 1, bias_, stride_, padding_, kNoDilation, groups_);
    return;
  }
  if (!fused_) {
    sum.add_(at::conv2d(x, weight_, bias_, stride_, padding_, kNoDilation, groups_)).relu_();
    return;
  }
  pointwiseInto()->typed<PointwiseInto>().call(sum, x, packed(x), bias_, padding_, stride_, kNoDilation, groups_,
                                               "add", std::nullopt, "relu", Scalars(), std::nullopt);
}

}  // namespace resnet_torch::model
