#include "model/folded_convolution.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "core/cpu.h"

namespace resnet_torch::model {

namespace {

constexpr double kEpsilon = 1e-5;
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

}  // namespace

at::Tensor foldingScale(const BatchNorm& norm) {
  return norm.weight.detach().to(at::kDouble) / (norm.runningVar.to(at::kDouble) + kEpsilon).sqrt();
}

FoldedConvolution::FoldedConvolution(const Convolution& convolution, const BatchNorm& norm, at::ScalarType dtype,
                                     bool keepWeight)
    : stride_{convolution.stride, convolution.stride},
      padding_{convolution.padding, convolution.padding},
      fused_(canFuse(dtype, convolution.weight.device())),
      keepWeight_(keepWeight) {
  const auto scale = foldingScale(norm);
  weight_ = (convolution.weight.detach().to(at::kDouble) * scale.view({-1, 1, 1, 1}))
                .to(dtype)
                .contiguous(at::MemoryFormat::ChannelsLast);
  bias_ = (norm.bias.detach().to(at::kDouble) - norm.runningMean.to(at::kDouble) * scale).to(dtype);
}

const at::Tensor& FoldedConvolution::packed(const at::Tensor& x) {
  const std::pair size(x.size(2), x.size(3));
  if (packed_.defined() && packedSize_ == size) return packed_;
  const auto from = packed_.defined() ? packed_ : weight_.contiguous().to_mkldnn();
  packed_ =
      at::mkldnn_reorder_conv2d_weight(from, padding_, stride_, kNoDilation, 1, at::OptionalIntArrayRef(x.sizes()));
  packedSize_ = size;
  if (!keepWeight_) weight_.reset();
  return packed_;
}

at::Tensor FoldedConvolution::run(const at::Tensor& x, bool relu) {
  if (!fused_) {
    auto y = at::conv2d(x, weight_, bias_, stride_, padding_);
    return relu ? y.relu_() : y;
  }
  return pointwise()->typed<Pointwise>().call(x, packed(x), bias_, padding_, stride_, kNoDilation, 1,
                                              relu ? "relu" : "none", Scalars(), std::nullopt);
}

void FoldedConvolution::runInto(const at::Tensor& x, at::Tensor& sum) {
  if (!fused_) {
    sum.add_(at::conv2d(x, weight_, bias_, stride_, padding_)).relu_();
    return;
  }
  pointwiseInto()->typed<PointwiseInto>().call(sum, x, packed(x), bias_, padding_, stride_, kNoDilation, 1, "add",
                                               std::nullopt, "relu", Scalars(), std::nullopt);
}

}  // namespace resnet_torch::model
