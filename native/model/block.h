#pragma once

#include "model/aten.h"

#include <optional>
#include <unordered_set>

#include "model/architecture.h"

namespace resnet_torch::model {

/// torch.nn.BatchNorm2d's defaults.
inline constexpr double kBatchNormMomentum = 0.1;
inline constexpr double kBatchNormEpsilon = 1e-5;

struct Convolution {
  std::string name;   ///< of its module
  at::Tensor weight;  ///< [out, in / groups, k, k], channels-last
  std::int64_t stride = 1, padding = 0, groups = 1;
  /// Channels of the input that the weight knows.
  std::int64_t inputs() const { return weight.size(1) * groups; }
};

struct BatchNorm {
  std::string name;
  at::Tensor weight, bias, runningMean, runningVar, batchesTracked;
};

struct NormedConvolution {
  Convolution convolution;
  BatchNorm norm;
};

/// BasicBlock or Bottleneck: ReLU follows each convolution with its BatchNorm, behind the last one once the shortcut
/// is added, which is the block's input where there is no downsampling.
struct Block {
  std::vector<NormedConvolution> layers;
  std::optional<NormedConvolution> downsample;
};

/// How one forward pass is computed.
struct ForwardOptions {
  std::optional<at::ScalarType> compute;  ///< the dtype computed in; else the model's
  /// BatchNorm modules that use and update batch statistics; the others use the running ones.
  const std::unordered_set<std::string>* training = nullptr;
  /// Scaled dropout masks after each hidden layer, [n, width]; empty for none.
  std::vector<at::Tensor> dropoutMasks;
};

/// norm(conv(x)), operation by operation, for autograd.
at::Tensor forwardLayer(const NormedConvolution& layer, const at::Tensor& x, const ForwardOptions& options);
at::Tensor forwardBlock(const Block& block, const at::Tensor& x, const ForwardOptions& options);

/// The weight for an input of so many channels: with zeros for those that it does not know. A convolution in groups
/// knows all.
at::Tensor forChannels(const at::Tensor& weight, std::int64_t channels, std::int64_t groups = 1);

}  // namespace resnet_torch::model
