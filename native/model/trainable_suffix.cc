#include "model/trainable_suffix.h"

#include <set>

#include "core/executor.h"
#include "model/convolution_gradient.h"
#include "model/device_kernels.h"
#include "model/finite.h"

namespace resnet_torch::model {

namespace {

/// Of the gradient of a weight as forChannels() made it, the part that is the weight's.
at::Tensor ownChannels(const at::Tensor& gradient, const Convolution& convolution) {
  const auto channels = convolution.weight.size(1);
  return gradient.size(1) == channels ? gradient : gradient.narrow(1, 0, channels);
}

}  // namespace

std::vector<int> Trainability::units() const {
  std::set<int> units;
  for (const auto& name : parameters) units.insert(unitOf(name));
  for (const auto& name : batchNormTraining) units.insert(unitOf(name + "."));
  return {units.begin(), units.end()};
}

int Trainability::frozenUnits() const {
  const auto changing = units();
  return changing.empty() ? kBackboneUnits : std::min(changing.front(), kBackboneUnits);
}

TrainableSuffix::Layer TrainableSuffix::makeLayer(const Convolution& convolution, const BatchNorm& norm,
                                                  const Trainability& trainability,
                                                  const std::string& convolutionName, bool inputGradient) const {
  const auto trains = [&](const std::string& name) { return trainability.parameters.contains(name); };
  Layer layer;
  layer.convolution = &convolution;
  layer.norm = &norm;
  layer.trainsWeight = trains(convolutionName + ".weight");
  layer.trainsScale = trains(norm.name + ".weight");
  layer.trainsBias = trains(norm.name + ".bias");
  layer.batchStatistics = trainability.batchNormTraining.contains(norm.name);
  layer.inputGradient = inputGradient;
  return layer;
}

TrainableSuffix::TrainableSuffix(const ResNet50& model, int first, const Trainability& trainability,
                                 at::ScalarType compute)
    : first_(first), modelType_(model.dtype()), dtype_(compute) {
  bool gradient = false;
  if (first == 0) {
    stem_ = makeLayer(model.stemConvolution(), model.stemNorm(), trainability, "conv1", gradient);
    gradient = stem_->passes();
  }
  for (int unit = std::max(first, 1); unit < kBackboneUnits; ++unit) {
    const auto& from = model.block(unit);
    const std::string prefix = std::string(kUnits[static_cast<std::size_t>(unit)]) + ".";
    Block block;
    bool inside = gradient;
    for (std::size_t i = 0; i < block.layers.size(); ++i) {
      block.layers[i] = makeLayer(from.convolutions[i], from.norms[i], trainability,
                                  prefix + "conv" + std::to_string(i + 1), inside);
      inside = block.layers[i].passes();
    }
    if (from.downsample) {
      block.downsample = makeLayer(from.downsample->convolution, from.downsample->norm, trainability,
                                   prefix + "downsample.0", gradient);
      inside = inside || block.downsample->passes();
    }
    gradient = gradient || inside;
    blocks_.push_back(std::move(block));
  }
  backboneGradient_ = gradient;
  const auto& linears = model.headLayers();
  for (std::size_t i = 0; i < linears.size(); ++i) {
    const std::string name = linears.size() == 1 ? "fc" : "fc." + std::to_string(3 * i);
    HeadLayer layer{&linears[i],
                    trainability.parameters.contains(name + ".weight"),
                    trainability.parameters.contains(name + ".bias"),
                    gradient,
                    {},
                    {}};
    gradient = gradient || layer.trainsWeight || layer.trainsBias;
    head_.push_back(std::move(layer));
  }
}

std::vector<WeightCopy> TrainableSuffix::keepCopies() {
  std::vector<WeightCopy> copies;
  if (dtype_ == modelType_) return copies;
  const auto keep = [&](Layer& layer) {
    if (!layer.batchStatistics) return;
    const auto& weight = layer.convolution->weight;
    layer.weight = weight.detach().to(dtype_);
    layer.keepsCopy = true;
    if (layer.trainsWeight) copies.push_back({weight, layer.weight});
  };
  if (stem_) keep(*stem_);
  for (auto& block : blocks_) {
    for (auto& layer : block.layers) keep(layer);
    if (block.downsample) keep(*block.downsample);
  }
  return copies;
}

/// A layer in evaluation mode as one convolution; made anew in every step where it trains.
FoldedConvolution& TrainableSuffix::folded(Layer& layer) const {
  if (!layer.folded || layer.trains()) layer.folded.emplace(*layer.convolution, *layer.norm, dtype_, layer.passes());
  return *layer.folded;
}

/// The convolution, with what its BatchNorm adds where that is in evaluation mode.
at::Tensor TrainableSuffix::convolve(Layer& layer, const at::Tensor& x, bool relu) {
  if (layer.passes()) layer.input = x;
  if (!layer.batchStatistics) return folded(layer).run(x, relu);
  if (!layer.keepsCopy) layer.weight = layer.convolution->weight.detach().to(dtype_);
  const auto stride = layer.convolution->stride, padding = layer.convolution->padding;
  const auto convolved =
      at::conv2d(x, forChannels(layer.weight, x.size(1)), {}, {stride, stride}, {padding, padding});
  layer.state = batchStatistics(convolved, *layer.norm);
  if (layer.state.variance.defined()) moments_.push_back({layer.norm, layer.state.mean, layer.state.variance});
  if (layer.passes()) layer.convolved = convolved;
  return convolved;
}

at::Tensor TrainableSuffix::activate(Layer& layer, const at::Tensor& x) {
  const auto convolved = convolve(layer, x, /*relu=*/true);
  return layer.batchStatistics ? normRelu(convolved, layer.state) : convolved;
}

at::Tensor TrainableSuffix::forwardBlock(Block& block, const at::Tensor& x) {
  Executor::throwIfStopping();
  block.activations[0] = activate(block.layers[0], x);
  block.activations[1] = activate(block.layers[1], block.activations[0]);
  auto& last = block.layers[2];
  at::Tensor shortcut = x;
  const NormState* shortcutState = nullptr;
  if (block.downsample) {
    shortcut = convolve(*block.downsample, x, /*relu=*/false);
    if (block.downsample->batchStatistics) shortcutState = &block.downsample->state;
  }
  if (!last.batchStatistics && !shortcutState && block.downsample) {
    // The shortcut is a tensor of this step's own, so the last convolution may be added to it in place.
    if (last.passes()) last.input = block.activations[1];
    folded(last).runInto(block.activations[1], shortcut);
    block.output = shortcut;
  } else {
    const auto convolved = convolve(last, block.activations[1], /*relu=*/false);
    const auto state = last.batchStatistics ? last.state : identityState(convolved);
    block.output = normAddRelu(convolved, state, shortcut, shortcutState, &block.mask);
  }
  const auto output = block.output;
  if (block.mask.defined()) block.output.reset();
  return output;
}

at::Tensor TrainableSuffix::forwardHead(const at::Tensor& features, const std::vector<at::Tensor>& dropoutMasks) {
  auto x = features;
  for (std::size_t i = 0; i < head_.size(); ++i) {
    auto& layer = head_[i];
    layer.input = x;
    x = at::linear(x, layer.linear->weight.detach(), layer.linear->bias.detach());
    if (i + 1 == head_.size()) break;
    x = x.relu_();
    layer.mask = x.gt(0).to(x.scalar_type());
    if (dropoutMasks.empty()) continue;
    x = x * dropoutMasks[i];
    layer.mask.mul_(dropoutMasks[i]);
  }
  return x;
}

at::Tensor TrainableSuffix::forward(const at::Tensor& input, const std::vector<at::Tensor>& dropoutMasks) {
  const at::NoGradGuard noGrad;
  moments_.clear();
  if (first_ == kBackboneUnits) return forwardHead(input.to(modelType_), dropoutMasks);
  auto x = input.to(dtype_).contiguous(at::MemoryFormat::ChannelsLast);
  if (stem_) {
    const auto convolved = convolve(*stem_, x, /*relu=*/false);
    if (!stem_->batchStatistics) {
      stem_->state = identityState(convolved);
      stem_->convolved = convolved;
    }
    x = normReluPool(convolved, stem_->state, stem_->passes() ? &places_ : nullptr);
  }
  for (auto& block : blocks_) x = forwardBlock(block, x);
  lastSizes_ = x.sizes().vec();
  return forwardHead(averaged(x, modelType_), dropoutMasks);
}

void TrainableSuffix::updateRunning(const at::Tensor& skip) {
  const at::NoGradGuard noGrad;
  model::updateRunning(moments_, skip);
  moments_.clear();
}

/// PyTorch's gradient lies as its parameter lies, in the parameter's dtype. Where there is memory for it already, it
/// is written there.
void TrainableSuffix::setGradient(const at::Tensor& parameter, const at::Tensor& gradient, bool surelyFinite) {
  auto& kept = at::Tensor(parameter).mutable_grad();
  if (kept.defined()) {
    kept.copy_(gradient);
  } else if (gradient.scalar_type() == parameter.scalar_type() && gradient.strides() == parameter.strides()) {
    kept = gradient;
  } else {
    kept = at::empty_like(parameter).copy_(gradient);
  }
  // Here it is in the processor's cache yet. A device finds out by itself.
  if (!deviceKernels(kept.device()) && !surelyFinite) finite_ = allFinite(kept) && finite_;
}

void TrainableSuffix::setAffine(Layer& layer, const at::Tensor& weight, const at::Tensor& bias) {
  if (layer.trainsScale) setGradient(layer.norm->weight, weight);
  if (layer.trainsBias) setGradient(layer.norm->bias, bias);
}

/// From the gradient of the convolution's output to that of its input, undefined where nobody needs it.
at::Tensor TrainableSuffix::backwardConvolution(Layer& layer, const at::Tensor& gradient) {
  if (!layer.trainsWeight && !layer.inputGradient) return {};
  // Without a gradient of the weight the input's values are not looked at, only their sizes.
  const auto& x = layer.input;
  const auto gradients =
      convolutionGradients(gradient, x, forChannels(layer.weight, x.size(1)), layer.convolution->stride,
                           layer.convolution->padding, layer.inputGradient, layer.trainsWeight);
  if (layer.trainsWeight) setGradient(layer.convolution->weight, ownChannels(gradients.weight, *layer.convolution));
  return gradients.input;
}

/// y = scale · (conv(x, weight) − mean) + β with scale = γ / σ, computed as conv(x, weight · scale) + …: from the
/// gradient of y, `sum` its sum by channel.
void TrainableSuffix::backwardFolded(Layer& layer, const at::Tensor& gradient, const at::Tensor& sum,
                                     at::Tensor* inputGradient) {
  const bool wantWeight = layer.trainsWeight || layer.trainsScale;
  if (wantWeight || layer.inputGradient) {
    const auto gradients =
        convolutionGradients(gradient, layer.input, layer.folded->weight(layer.input.size(1)),
                             layer.convolution->stride, layer.convolution->padding, layer.inputGradient, wantWeight);
    *inputGradient = gradients.input;
    if (wantWeight) {
      const auto scale = foldingScale(*layer.norm);
      const auto raw = ownChannels(gradients.weight, *layer.convolution).to(modelType_);
      if (layer.trainsWeight) setGradient(layer.convolution->weight, raw * scale.to(modelType_).view({-1, 1, 1, 1}));
      if (layer.trainsScale) {
        const auto product = (raw * layer.convolution->weight.detach()).sum({1, 2, 3}, false, at::kDouble);
        const auto deviation = (layer.norm->runningVar.to(at::kDouble) + kBatchNormEpsilon).sqrt();
        setGradient(layer.norm->weight, (product - layer.norm->runningMean.to(at::kDouble) * sum) / deviation);
      }
    }
  }
  if (layer.trainsBias) setGradient(layer.norm->bias, sum);
}

/// Backward of activate(): `dy` is written over.
at::Tensor TrainableSuffix::backwardActivated(Layer& layer, at::Tensor dy, const at::Tensor& y) {
  at::Tensor answer;
  if (layer.batchStatistics) {
    const auto affine = normReluBackward(dy, layer.convolved, layer.state);
    layer.convolved.reset();
    setAffine(layer, affine.weight, affine.bias);
    answer = backwardConvolution(layer, dy);
  } else {
    const auto sums = addReluBackward(dy, {}, y, {}, {});
    backwardFolded(layer, dy, sums.bias, &answer);
  }
  layer.input.reset();
  return answer;
}

TrainableSuffix::Incoming TrainableSuffix::backwardBlock(Block& block, Incoming incoming) {
  Executor::throwIfStopping();
  auto& last = block.layers[2];
  auto* side = block.downsample ? &*block.downsample : nullptr;
  const bool sidePasses = side && side->passes();
  auto g = incoming.first;
  const Branch x = last.batchStatistics && last.passes() ? Branch{last.convolved, &last.state} : Branch{};
  const Branch z = sidePasses && side->batchStatistics ? Branch{side->convolved, &side->state} : Branch{};
  const auto sums = addReluBackward(g, incoming.second, block.mask.defined() ? block.mask : block.output, x, z);
  incoming.second.reset();
  block.output.reset();
  block.mask.reset();

  Incoming outgoing;
  if (sidePasses) {
    if (z.state) {
      const AffineGradients affine{sums.zWeight, sums.bias};
      setAffine(*side, affine.weight, affine.bias);
      outgoing.second = backwardConvolution(*side, normBackward(g, side->convolved, side->state, affine));
      side->convolved.reset();
    } else {
      backwardFolded(*side, g, sums.bias, &outgoing.second);
    }
    side->input.reset();
  } else if (!side && block.layers[0].inputGradient) {
    outgoing.second = g;
  }
  if (!last.passes()) return outgoing;

  at::Tensor dy;
  if (x.state) {
    const AffineGradients affine{sums.weight, sums.bias};
    setAffine(last, affine.weight, affine.bias);
    auto gradient = normBackward(g, last.convolved, last.state, affine);
    last.convolved.reset();
    g.reset();
    dy = backwardConvolution(last, gradient);
  } else {
    backwardFolded(last, g, sums.bias, &dy);
    g.reset();
  }
  last.input.reset();
  for (int i = 1; i >= 0 && dy.defined(); --i) {
    auto& layer = block.layers[static_cast<std::size_t>(i)];
    dy = backwardActivated(layer, std::move(dy), block.activations[static_cast<std::size_t>(i)]);
    block.activations[static_cast<std::size_t>(i)].reset();
  }
  outgoing.first = dy;
  if (!outgoing.first.defined()) std::swap(outgoing.first, outgoing.second);
  return outgoing;
}

void TrainableSuffix::backwardStem(at::Tensor dy) {
  auto& layer = *stem_;
  auto answer = normReluPoolBackward(dy, places_, layer.convolved, layer.batchStatistics ? &layer.state : nullptr);
  places_.reset();
  at::Tensor none;
  if (layer.batchStatistics) {
    setAffine(layer, answer.sums.weight, answer.sums.bias);
    if (layer.trainsWeight)
      backwardConvolution(layer, normBackward(answer.g, layer.convolved, layer.state, answer.sums));
  } else {
    backwardFolded(layer, answer.g, answer.sums.bias, &none);
  }
  layer.convolved.reset();
  layer.input.reset();
}

at::Tensor TrainableSuffix::backwardHead(const at::Tensor& logitsGradient) {
  auto dy = logitsGradient;
  for (std::size_t i = head_.size(); i-- > 0;) {
    auto& layer = head_[i];
    if (layer.trainsWeight)
      setGradient(layer.linear->weight, dy.t().mm(layer.input),
                  /*surelyFinite=*/!deviceKernels(dy.device()) && surelyFiniteProduct(dy, layer.input));
    if (layer.trainsBias) setGradient(layer.linear->bias, dy.sum(0));
    layer.input.reset();
    if (!layer.inputGradient) return {};
    dy = dy.mm(layer.linear->weight.detach());
    if (i > 0) dy = dy * head_[i - 1].mask;
  }
  return dy;
}

void TrainableSuffix::backward(const at::Tensor& logitsGradient) {
  const at::NoGradGuard noGrad;
  finite_ = true;
  const auto features = backwardHead(logitsGradient);
  if (!backboneGradient_ || first_ == kBackboneUnits) return;
  const auto positions = static_cast<double>(lastSizes_[2] * lastSizes_[3]);
  Incoming incoming;
  incoming.first = (features / positions)
                       .to(dtype_)
                       .view({lastSizes_[0], lastSizes_[1], 1, 1})
                       .expand(lastSizes_)
                       .contiguous(at::MemoryFormat::ChannelsLast);
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    if (!incoming.first.defined()) break;
    incoming = backwardBlock(*block, std::move(incoming));
  }
  if (!stem_ || !stem_->passes() || !incoming.first.defined()) return;
  if (incoming.second.defined()) incoming.first.add_(incoming.second);
  backwardStem(std::move(incoming.first));
}

}  // namespace resnet_torch::model
