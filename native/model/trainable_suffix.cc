#include "model/trainable_suffix.h"

#include <set>
#include <utility>

#include "core/executor.h"
#include "model/finite.h"

namespace resnet_torch::model {

std::vector<int> Trainability::units(const Architecture& architecture) const {
  std::set<int> units;
  for (const auto& name : parameters) units.insert(architecture.unitOf(name));
  for (const auto& name : batchNormTraining) units.insert(architecture.unitOf(name + "."));
  return {units.begin(), units.end()};
}

int Trainability::frozenUnits(const Architecture& architecture) const {
  const auto changing = units(architecture);
  const int backbone = architecture.backboneUnits();
  return changing.empty() ? backbone : std::min(changing.front(), backbone);
}

TrainableSuffix::Layer TrainableSuffix::makeLayer(const NormedConvolution& from, const Trainability& trainability,
                                                  bool inputGradient) const {
  const auto trains = [&](const std::string& name) { return trainability.parameters.contains(name); };
  Layer layer;
  layer.convolution = &from.convolution;
  layer.norm = &from.norm;
  layer.trainsWeight = trains(from.convolution.name + ".weight");
  layer.trainsScale = trains(from.norm.name + ".weight");
  layer.trainsBias = trains(from.norm.name + ".bias");
  layer.batchStatistics = trainability.batchNormTraining.contains(from.norm.name);
  layer.inputGradient = inputGradient;
  return layer;
}

TrainableSuffix::Block TrainableSuffix::makeBlock(const model::Block& from, const Trainability& trainability,
                                                  bool inputGradient) const {
  Block block;
  for (const auto& layer : from.layers)
    block.layers.push_back(
        makeLayer(layer, trainability, block.layers.empty() ? inputGradient : block.layers.back().passes()));
  block.activations.resize(block.layers.size() - 1);
  if (!from.downsample) return block;
  block.downsample = makeLayer(*from.downsample, trainability, inputGradient);
  auto& last = block.layers.back();
  if (device_ && !last.batchStatistics && !block.downsample->batchStatistics) {
    last.second = &from.downsample->norm;
    last.secondTrains = block.downsample->trains();
  }
  return block;
}

bool TrainableSuffix::Block::passes() const {
  return layers.back().passes() || (downsample && downsample->passes());
}

TrainableSuffix::TrainableSuffix(const Network& model, int first, const Trainability& trainability,
                                 at::ScalarType compute)
    : first_(first),
      headAlone_(first == model.architecture().backboneUnits()),
      modelType_(model.dtype()),
      dtype_(compute),
      device_(leavesBiases(model.device(), compute) ? deviceKernels(model.device()) : nullptr) {
  bool gradient = false;
  if (first == 0) {
    stem_ = makeLayer(model.stem(), trainability, gradient);
    gradient = stem_->passes();
  }
  for (int unit = std::max(first, 1); unit < model.architecture().backboneUnits(); ++unit) {
    blocks_.push_back(makeBlock(model.block(unit), trainability, gradient));
    gradient = gradient || blocks_.back().passes();
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
  const auto& steps = *layer.convolution;
  layer.used = forChannels(layer.weight, x.size(1), steps.groups);
  const auto convolved = at::conv2d(x, layer.used, {}, steps.stride, steps.padding, /*dilation=*/1, steps.groups);
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
  auto inner = x;
  for (std::size_t i = 0; i < block.activations.size(); ++i)
    inner = block.activations[i] = activate(block.layers[i], inner);
  auto& last = block.layers.back();
  at::Tensor shortcut = x;
  const NormState* shortcutState = nullptr;
  if (block.downsample) {
    shortcut = convolve(*block.downsample, x, /*relu=*/false);
    if (block.downsample->batchStatistics || device_) shortcutState = &block.downsample->state;
  }
  if (!last.batchStatistics && block.downsample && !block.downsample->batchStatistics) {
    // The shortcut is a tensor of this step's own, so the last convolution may be added to it in place.
    if (last.passes()) last.input = inner;
    folded(last).runInto(inner, shortcut);
    block.output = shortcut;
  } else {
    const auto convolved = convolve(last, inner, /*relu=*/false);
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
  if (headAlone_) return forwardHead(input.to(modelType_), dropoutMasks);
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
