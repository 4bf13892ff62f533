#include "model/block.h"

namespace resnet_torch::model {

at::Tensor forChannels(const at::Tensor& weight, std::int64_t channels, std::int64_t groups) {
  const auto more = channels - weight.size(1) * groups;
  if (more == 0) return weight;
  TORCH_CHECK(groups == 1, "groups of channels that the weight does not know");
  return at::constant_pad_nd(weight, {0, 0, 0, 0, 0, more}).contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor forwardLayer(const NormedConvolution& layer, const at::Tensor& x, const ForwardOptions& options) {
  const auto& [convolution, norm] = layer;
  // The cast is part of the graph, so the gradient arrives at the master weight in its own dtype.
  const auto weight = forChannels(convolution.weight.to(x.scalar_type()), x.size(1), convolution.groups);
  const auto convolved =
      at::conv2d(x, weight, {}, convolution.stride, convolution.padding, /*dilation=*/1, convolution.groups);
  const bool training = options.training && options.training->contains(norm.name);
  if (training) norm.batchesTracked.add_(1);
  return at::batch_norm(convolved, norm.weight, norm.bias, norm.runningMean, norm.runningVar, training,
                        kBatchNormMomentum, kBatchNormEpsilon, /*cudnn_enabled=*/true);
}

at::Tensor forwardBlock(const Block& block, const at::Tensor& x, const ForwardOptions& options) {
  auto y = x;
  for (const auto& layer : block.layers) {
    y = forwardLayer(layer, y, options);
    if (&layer != &block.layers.back()) y = y.relu_();
  }
  return y.add_(block.downsample ? forwardLayer(*block.downsample, x, options) : x).relu_();
}

}  // namespace resnet_torch::model
