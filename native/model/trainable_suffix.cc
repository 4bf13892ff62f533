#include "model/trainable_suffix.h"

#include <set>
#include <utility>

#include "core/executor.h"
#include "model/finite.h"

namespace resnet_torch::model {

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
    : first_(first),
      modelType_(model.dtype()),
      dtype_(compute),
      device_(leavesBiases(model.device(), compute) ? deviceKernels(model.device()) : nullptr) {
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
      auto& last = block.layers[2];
      if (device_ && !last.batchStatistics && !block.downsample->batchStatistics) {
        last.second = &from.downsample->norm;
        last.secondTrains = block.downsample->trains();
      }
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
  if (!layer.folded || layer.trains() || layer.secondTrains)
    layer.folded.emplace(*layer.convolution, *layer.norm, dtype_, layer.passes(), layer.second);
  return *layer.folded;
}

/// The convolution, with what its BatchNorm adds where that is in evaluation mode; on a device and without ReLU that
/// is left to whoever reads it, as the layer's state.
at::Tensor TrainableSuffix::convolve(Layer& layer, const at::Tensor& x, bool relu) {
  if (layer.passes()) layer.input = x;
  if (!layer.batchStatistics) {
    auto& folded = this->folded(layer);
    if (relu || !device_) return folded.run(x, relu);
    layer.state = folded.shift();
    return folded.runPlain(x);
  }
  if (!layer.keepsCopy) layer.weight = layer.convolution->weight.detach().to(dtype_);
  const auto stride = layer.convolution->stride, padding = layer.convolution->padding;
  layer.used = forChannels(layer.weight, x.size(1));
  const auto convolved = at::conv2d(x, layer.used, {}, {stride, stride}, {padding, padding});
  layer.state = batchStatistics(convolved, *layer.norm);
  moments_.push_back({layer.norm, layer.state.mean, layer.state.variance});
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
    if (block.downsample->batchStatistics || device_) shortcutState = &block.downsample->state;
  }
  if (!last.batchStatistics && block.downsample && !block.downsample->batchStatistics) {
    // The shortcut is a tensor of this step's own, so the last convolution may be added to it in place.
    if (last.passes()) last.input = block.activations[1];
    folded(last).runInto(block.activations[1], shortcut);
    block.output = shortcut;
  } else {
    const auto convolved = convolve(last, block.activations[1], /*relu=*/false);
    const auto state = last.batchStatistics || device_ ? last.state : identityState(convolved);
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
    layer.mask = x.gt(0);
    if (dropoutMasks.empty()) continue;
    x = x * dropoutMasks[i];
    layer.mask = dropoutMasks[i] * layer.mask;
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
      if (!device_) stem_->state = identityState(convolved);
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

std::string TrainableSuffix::normNotFinite() const {
  for (const auto& [norm, mean, variance] : moments_)
    if (!allFinite(mean) || !allFinite(variance)) return norm->name;
  return {};
}

}  // namespace resnet_torch::model
