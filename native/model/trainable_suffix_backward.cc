#include <utility>

#include "core/executor.h"
#include "model/convolution_gradient.h"
#include "model/finite.h"
#include "model/trainable_suffix.h"

// The way back of model/trainable_suffix.h.

namespace resnet_torch::model {

namespace {

/// Of the gradient of a weight as forChannels() made it, the part that is the weight's.
at::Tensor ownChannels(const at::Tensor& gradient, const Convolution& convolution) {
  const auto channels = convolution.weight.size(1);
  return gradient.size(1) == channels ? gradient : gradient.narrow(1, 0, channels);
}

ConvolutionSteps stepsOf(const Convolution& convolution) {
  return {convolution.stride, convolution.padding, convolution.groups};
}

}  // namespace

/// PyTorch's gradient lies as its parameter lies, in the parameter's dtype. Where there is memory for it already, it
/// is written there.
void TrainableSuffix::setGradient(const at::Tensor& parameter, const at::Tensor& gradient, bool surelyFinite) {
  auto& kept = at::Tensor(parameter).mutable_grad();
  if (kept.defined() && kept.is_same(gradient)) return;  // it was made in its place
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

/// On a device, where a parameter's gradient goes; undefined where it has none.
at::Tensor TrainableSuffix::place(const at::Tensor& parameter, bool trains) const {
  if (!device_ || !trains) return {};
  auto& kept = at::Tensor(parameter).mutable_grad();
  if (!kept.defined()) kept = at::empty_like(parameter);
  return kept;
}

AffineGradients TrainableSuffix::affinePlaces(const Layer& layer) const {
  return {place(layer.norm->weight, layer.trainsScale), place(layer.norm->bias, layer.trainsBias)};
}

/// From the gradient of the convolution's output to that of its input, undefined where nobody needs it.
at::Tensor TrainableSuffix::backwardConvolution(Layer& layer, const at::Tensor& gradient) {
  if (!layer.trainsWeight && !layer.inputGradient) return {};
  // Without a gradient of the weight the input's values are not looked at, only their sizes.
  const auto& x = layer.input;
  const auto gradients = convolutionGradients(gradient, x, layer.used, stepsOf(*layer.convolution),
                                              layer.inputGradient, layer.trainsWeight);
  layer.used.reset();
  if (!layer.trainsWeight) return gradients.input;
  if (device_) {
    copies_.push_back({gradients.weight, place(layer.convolution->weight, /*trains=*/true)});
  } else {
    setGradient(layer.convolution->weight, ownChannels(gradients.weight, *layer.convolution));
  }
  return gradients.input;
}

/// y = scale · (conv(x, weight) − mean) + β with scale = γ / σ, computed as conv(x, weight · scale) + …: from the
/// gradient of y, `sum` its sum by channel.
void TrainableSuffix::backwardFolded(Layer& layer, const at::Tensor& gradient, const at::Tensor& sum,
                                     at::Tensor* inputGradient) {
  const bool wantWeight = layer.trainsWeight || layer.trainsScale;
  if (wantWeight || layer.inputGradient) {
    const auto gradients = convolutionGradients(gradient, layer.input, layer.folded->weight(layer.input.size(1)),
                                                stepsOf(*layer.convolution), layer.inputGradient, wantWeight);
    *inputGradient = gradients.input;
    if (wantWeight && device_) {
      const auto affine = affinePlaces(layer);
      device_->foldedGradients({layer.convolution, layer.norm, gradients.weight, sum,
                                place(layer.convolution->weight, layer.trainsWeight), affine.weight, affine.bias});
      return;
    }
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
    const auto affine = normReluBackward(dy, layer.convolved, layer.state, affinePlaces(layer));
    layer.convolved.reset();
    setAffine(layer, affine.weight, affine.bias);
    answer = backwardConvolution(layer, dy);
  } else {
    AddReluSums places;
    places.bias = place(layer.norm->bias, layer.trainsBias);
    const auto sums = addReluBackward(dy, {}, y, {}, {}, places);
    backwardFolded(layer, dy, sums.bias, &answer);
  }
  layer.input.reset();
  return answer;
}

TrainableSuffix::Incoming TrainableSuffix::backwardBlock(Block& block, Incoming incoming) {
  Executor::throwIfStopping();
  auto& last = block.layers.back();
  auto* side = block.downsample ? &*block.downsample : nullptr;
  const bool sidePasses = side && side->passes();
  auto g = incoming.first;
  const Branch x = last.batchStatistics && last.passes() ? Branch{last.convolved, &last.state} : Branch{};
  const Branch z = sidePasses && side->batchStatistics ? Branch{side->convolved, &side->state} : Branch{};
  AddReluSums places;
  places.bias = place(last.norm->bias, last.trainsBias);
  places.weight = place(last.norm->weight, last.trainsScale);
  if (side) places.zBias = place(side->norm->bias, side->trainsBias);
  if (side) places.zWeight = place(side->norm->weight, side->trainsScale);
  const auto sums =
      addReluBackward(g, incoming.second, block.mask.defined() ? block.mask : block.output, x, z, places);
  incoming.second.reset();
  block.output.reset();
  block.mask.reset();

  Incoming outgoing;
  if (sidePasses) {
    if (z.state) {
      const AffineGradients affine{sums.zWeight, sums.zBias};
      setAffine(*side, affine.weight, affine.bias);
      outgoing.second = backwardConvolution(*side, normBackward(g, side->convolved, side->state, affine));
      side->convolved.reset();
    } else {
      backwardFolded(*side, g, sums.zBias, &outgoing.second);
    }
    side->input.reset();
  } else if (!side && block.layers.front().inputGradient) {
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
  for (auto i = block.activations.size(); i-- > 0 && dy.defined();) {
    dy = backwardActivated(block.layers[i], std::move(dy), block.activations[i]);
    block.activations[i].reset();
  }
  outgoing.first = dy;
  if (!outgoing.first.defined()) std::swap(outgoing.first, outgoing.second);
  return outgoing;
}

void TrainableSuffix::backwardStem(at::Tensor dy) {
  auto& layer = *stem_;
  auto answer = normReluPoolBackward(dy, places_, layer.convolved, layer.batchStatistics ? &layer.state : nullptr,
                                     affinePlaces(layer));
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

void TrainableSuffix::headGradients(const HeadLayer& layer, const at::Tensor& dy) {
  const auto& [weight, bias] = *layer.linear;
  if (device_) {
    auto weightPlace = place(weight, layer.trainsWeight), biasPlace = place(bias, layer.trainsBias);
    if (layer.trainsWeight) at::mm_out(weightPlace, dy.t(), layer.input);
    if (layer.trainsBias) at::sum_out(biasPlace, dy, {0});
    return;
  }
  if (layer.trainsWeight)
    setGradient(weight, dy.t().mm(layer.input), /*surelyFinite=*/surelyFiniteProduct(dy, layer.input));
  if (layer.trainsBias) setGradient(bias, dy.sum(0));
}

at::Tensor TrainableSuffix::backwardHead(const at::Tensor& logitsGradient) {
  auto dy = logitsGradient;
  for (std::size_t i = head_.size(); i-- > 0;) {
    auto& layer = head_[i];
    headGradients(layer, dy);
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
  copies_.clear();
  const auto features = backwardHead(logitsGradient);
  if (!backboneGradient_ || headAlone_) return;
  const auto positions = static_cast<double>(lastSizes_[2] * lastSizes_[3]);
  Incoming incoming;
  incoming.first = at::empty(lastSizes_, features.options().dtype(dtype_), at::MemoryFormat::ChannelsLast);
  incoming.first.copy_((features / positions).view({lastSizes_[0], lastSizes_[1], 1, 1}).expand(lastSizes_));
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    if (!incoming.first.defined()) break;
    incoming = backwardBlock(*block, std::move(incoming));
  }
  if (stem_ && stem_->passes() && incoming.first.defined()) {
    if (incoming.second.defined()) incoming.first.add_(incoming.second);
    backwardStem(std::move(incoming.first));
  }
  if (device_) device_->copyGradients(std::exchange(copies_, {}));
}

}  // namespace resnet_torch::model
