#include "train/session.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/errors.h"
#include "core/rng.h"
#include "model/compiled.h"
#include "model/device_kernels.h"
#include "model/finite.h"
#include "model/units.h"
#include "model/weight_faults.h"
#include "train/cudnn_benchmark.h"
#include "train/loss.h"

namespace resnet_torch::train {

namespace {

constexpr const char* kStartSuffix = "start";
constexpr const char* kScaler = "loss.scale";

optim::Parameter trainable(const model::ResNet50& model, const std::string& name,
                           std::unordered_set<std::string>& seen) {
  const auto& entry = model.find(name);
  if (!entry.parameter)
    throw Error("ERR_INVALID_ARGUMENT", name + " is a buffer, not a parameter, and cannot be trained");
  if (!seen.insert(name).second)
    throw Error("ERR_INVALID_ARGUMENT", "The parameter " + name + " is in more than one parameter group");
  return {name, entry.tensor};
}

Error nonFinite(const char* what) {
  return Error("ERR_NON_FINITE",
               std::string(what) + " is not finite: lower the learning rate, warm up, or use --precision fp32");
}

StepResult resultOf(const at::Tensor& logits, const at::Tensor& target, double loss) {
  if (!std::isfinite(loss)) throw nonFinite("The training loss");
  const at::NoGradGuard noGrad;
  return {loss, logits.argmax(1).eq(target).sum().item<std::int64_t>()};
}

/// cuDNN searches anew for every shape, so only where the shape is that of most batches.
bool isSearched(const at::Tensor& input, std::int64_t batch) {
  return batch > 0 && input.size(0) == batch;
}

constexpr std::array kRunning = {".running_mean", ".running_var", ".num_batches_tracked"};

}  // namespace

/// Puts the running statistics back, unless the step that moves them with its forward pass holds.
class StatisticsGuard {
 public:
  StatisticsGuard(const model::ResNet50& model, const std::unordered_set<std::string>& norms, bool moves) {
    if (!moves) return;
    for (const auto& norm : norms)
      for (const char* buffer : kRunning) {
        const auto& tensor = model.find(norm + buffer).tensor;
        before_.emplace_back(tensor, tensor.clone());
      }
  }
  ~StatisticsGuard() {
    const at::NoGradGuard noGrad;
    for (auto& [tensor, value] : before_) tensor.copy_(value);
  }
  StatisticsGuard(const StatisticsGuard&) = delete;
  StatisticsGuard& operator=(const StatisticsGuard&) = delete;
  void keep() { before_.clear(); }

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> before_;
};

Session::Session(std::shared_ptr<model::ResNet50> model, SessionOptions options)
    : model_(std::move(model)), options_(std::move(options)) {
  std::vector<optim::Group> groups;
  std::unordered_set<std::string> seen;
  for (const auto& group : options_.groups) {
    optim::Group resolved{group.name, {}, group.weightDecay};
    for (const auto& name : group.parameters) resolved.parameters.push_back(trainable(*model_, name, seen));
    groups.push_back(std::move(resolved));
  }
  if (seen.empty())
    throw Error("ERR_INVALID_ARGUMENT", "The parameter groups hold no parameter: nothing would be trained");
  for (const auto& norm : options_.batchNormTraining)
    if (!model_->hasBatchNorm(norm)) throw Error("ERR_INVALID_ARGUMENT", "The model has no BatchNorm named " + norm);
  if (options_.compute != model_->dtype() && model_->dtype() != at::kFloat)
    throw Error("ERR_INVALID_ARGUMENT", "bf16 and fp16 arithmetic need a float32 model");
  if (options_.lossScale.mayOverflow && (options_.autograd || !deviceStep(model_->device())))
    throw Error("ERR_INVALID_ARGUMENT", "Losses are scaled on a CUDA device only, and not with autograd");
  if (options_.cudaGraph && (options_.autograd || !deviceStep(model_->device())))
    throw Error("ERR_INVALID_ARGUMENT", "cudaGraph needs a CUDA device, and goes without autograd: leave it out");
  if (model_->inSession.exchange(true))
    throw Error("ERR_BUSY", "The model is being trained by another session: dispose of that one first");
  optimizer_ = std::make_unique<optim::Optimizer>(options_.optimizer, std::move(groups));
  trainability_ = {std::move(seen), options_.batchNormTraining};
  changing_ = trainability_.units();
  frozenUnits_ = options_.autograd ? 0 : trainability_.frozenUnits();
}

Session::~Session() {
  for (const auto& group : optimizer_->groups())
    for (const auto& parameter : group.parameters) parameter.tensor.set_requires_grad(false);
  optimizer_->clearGradients();
  release();
}

void Session::release() {
  if (!released_.exchange(true)) model_->inSession.store(false);
}

void Session::keepStart() {
  if (!start_.empty()) return;
  const at::NoGradGuard noGrad;
  model_->initialise();
  for (const auto& group : optimizer_->groups()) {
    for (const auto& [name, tensor] : group.parameters) {
      start_[name] = tensor.detach().clone();
      tensor.set_requires_grad(options_.autograd);
    }
  }
  const auto make = options_.autograd ? nullptr : deviceStep(model_->device());
  if (!make) return;
  optimizer_->reserve();
  device_ = make(*optimizer_, options_.lossScale);
  if (!options_.cudaGraph) return;
  captured_ =
      std::make_unique<CapturedStep>(device_->recorder(), [this](const StepInputs& inputs) { launchStep(inputs); });
}

void Session::checkImages(const at::Tensor& images) const {
  if (!usable(images.size(0), std::max(images.size(2), images.size(3))))
    throw Error(
        "ERR_SHAPE_MISMATCH",
        "A batch of one image of this size leaves BatchNorm a single value a channel to take statistics of: use "
        "larger batches or images, or BatchNorm in evaluation mode");
}

bool Session::usable(std::int64_t images, std::int64_t size) const {
  const bool single = images == 1 && size <= 32;  // five halvings leave one position
  return images > 0 && !(single && !options_.batchNormTraining.empty());
}

BatchAddress Session::nextOwnAddress(std::int64_t images) {
  BatchAddress address;
  for (std::int64_t i = 0; i < images; ++i) address.samples.push_back(ownSamples_++);
  return address;
}

std::vector<at::Tensor> Session::dropoutMasks(const BatchAddress& address) const {
  const auto& head = model_->headShape();
  std::vector<at::Tensor> masks;
  if (head.dropout == 0) return masks;
  const auto rows = static_cast<std::int64_t>(address.samples.size());
  for (std::size_t layer = 0; layer < head.hidden.size(); ++layer) {
    const auto width = head.hidden[layer];
    auto mask = at::empty({rows, width}, at::kFloat);
    auto* to = mask.mutable_data_ptr<float>();
    const auto scale = static_cast<float>(1 / (1 - head.dropout));
    for (std::int64_t row = 0; row < rows; ++row) {
      AddressedRandom random(options_.seed, address.epoch, static_cast<std::uint64_t>(address.samples[row]),
                             Purpose::kDropout, static_cast<std::uint32_t>(layer));
      for (std::int64_t i = 0; i < width; ++i) *to++ = random.uniform() < head.dropout ? 0.0F : scale;
    }
    masks.push_back(model::uploaded(mask.to(model_->dtype()), model_->device()));
  }
  return masks;
}

at::Tensor Session::prefix(const at::Tensor& images) {
  model_->initialise();
  if (frozenUnits_ == 0) return images;
  const CudnnBenchmark search(isSearched(images, options_.searchedBatch));
  return model::compiledUnits(*model_, 0, frozenUnits_, options_.compute)->run(images);
}

StepResult Session::backwardByAutograd(const at::Tensor& images, const at::Tensor& target,
                                       const BatchAddress& address) {
  const at::AutoGradMode withGrad(true);
  model::ForwardOptions forward;
  forward.compute = options_.compute;
  forward.training = &options_.batchNormTraining;
  forward.dropoutMasks = dropoutMasks(address);
  const auto logits = model_->forward(images, forward);
  const auto loss = at::cross_entropy_loss(logits, target);
  const auto result = resultOf(logits.detach(), target, loss.item<double>());
  loss.backward();
  return result;
}

at::Tensor Session::beginBatch(const at::Tensor& input, const at::Tensor& labels) {
  if (input.size(0) != labels.size(0))
    throw Error("ERR_SHAPE_MISMATCH",
                std::to_string(input.size(0)) + " images came with " + std::to_string(labels.size(0)) + " labels");
  keepStart();
  countChange();
  if (device_) optimizer_->attachGradients();
  return model::uploaded(labels, model_->device());
}

model::TrainableSuffix& Session::suffix() {
  if (!suffix_ || suffixLoads_ != model_->loads()) {
    suffix_ = std::make_unique<model::TrainableSuffix>(*model_, frozenUnits_, trainability_, options_.compute);
    suffixLoads_ = model_->loads();
    if (device_) device_->keepCopies(suffix_->keepCopies());
  }
  return *suffix_;
}

StepResult Session::backward(const at::Tensor& input, const at::Tensor& labels, const BatchAddress& address) {
  const auto target = beginBatch(input, labels);
  if (options_.autograd) return backwardByAutograd(input, target, address);
  const at::NoGradGuard noGrad;
  auto& suffix = this->suffix();
  const auto logits = suffix.forward(input, dropoutMasks(address));
  if (!device_)
    if (const auto norm = suffix.normNotFinite(); !norm.empty())
      throw nonFinite(("What " + norm + " is given").c_str());
  if (device_) {
    at::Tensor gradient;
    const auto result = device_->lossAlone(logits, target, gradient);
    if (!std::isfinite(result.loss)) throw nonFinite("The training loss");
    suffix.updateRunning({});
    suffix.backward(gradient);
    return result;
  }
  const auto [loss, gradient] = crossEntropy(logits, target);
  const auto result = resultOf(logits, target, loss);
  suffix.backward(gradient);
  return result;
}

/// On the CPU, before its step; a device decides by itself.
void Session::requireFiniteGradients() const {
  if (!options_.autograd) {
    if (!suffix_->finite()) throw nonFinite("A gradient");
    return;
  }
  for (const auto& group : optimizer_->groups())
    for (const auto& parameter : group.parameters)
      if (parameter.tensor.grad().defined() && !model::allFinite(parameter.tensor.grad()))
        throw nonFinite("A gradient");
}

/// On the CPU, of a step that holds.
void Session::keepStatistics(StatisticsGuard& moved) {
  moved.keep();
  if (!options_.autograd) suffix_->updateRunning({});
}

void Session::countChange() {
  for (const int unit : changing_) model_->setChanged(unit);
}

void Session::plan(std::span<const double> rates) {
  keepStart();
  if (device_) device_->plan(rates);
}

void Session::queueStep(const at::Tensor& input, const at::Tensor& labels, const BatchAddress& address,
                        std::span<const double> rates) {
  keepStart();
  if (!device_) {
    optimizer_->clearGradients();
    StatisticsGuard statistics(*model_, options_.batchNormTraining, options_.autograd);
    const auto result = backward(input, labels, address);
    requireFiniteGradients();
    optimizer_->step(rates);
    optimizer_->clearGradients();
    keepStatistics(statistics);
    results_.push_back(result);
    return;
  }
  const at::NoGradGuard noGrad;
  const auto target = beginBatch(input, labels);
  suffix();
  const CudnnBenchmark search(isSearched(input, options_.searchedBatch));
  const StepInputs inputs{input, target, dropoutMasks(address)};
  device_->begin(rates);
  if (captured_) {
    captured_->run(inputs, suffixLoads_);
    if (auto why = captured_->takeFailure())
      notes_.push_back(
          {"step-not-recorded", "A step could not be recorded for --cuda-graph (cudaGraph): " + *why +
                                    " Steps are made one kernel at a time from here on, with the same results."});
  } else {
    launchStep(inputs);
  }
  device_->end(/*withLoss=*/true);
}

void Session::launchStep(const StepInputs& inputs) {
  const at::NoGradGuard noGrad;
  suffix_->backward(device_->loss(suffix_->forward(inputs.input, inputs.dropoutMasks), inputs.labels));
  device_->prepare(/*withLoss=*/true);
  suffix_->updateRunning(device_->skip());
  device_->step();
}

std::vector<StepResult> Session::takeResults(bool all) {
  if (!device_) return std::exchange(results_, {});
  const auto [results, skipped] = device_->finished(all);
  if (options_.lossScale.mayOverflow) skippedSteps_ += skipped;
  std::vector<StepResult> good;
  for (const auto& result : results) {
    if (postponed_) break;
    if (std::isfinite(result.loss)) {
      good.push_back(result);
    } else {
      postpone(std::make_exception_ptr(nonFinite("The training loss")));
    }
  }
  if (skipped > 0 && !options_.lossScale.mayOverflow && !postponed_)
    postpone(std::make_exception_ptr(nonFinite("A gradient")));
  return good;
}

StepResult Session::step(const at::Tensor& input, const at::Tensor& labels, const BatchAddress& address,
                         std::span<const double> rates) {
  queueStep(input, labels, address, rates);
  const auto results = takeResults(/*all=*/true);
  throwPostponed();
  return results.back();
}

StepResult Session::gradients(const at::Tensor& input, const at::Tensor& labels, const BatchAddress& address,
                              const std::function<void(const std::string&, const at::Tensor&)>& take) {
  keepStart();
  if (!device_) optimizer_->clearGradients();
  StatisticsGuard statistics(*model_, options_.batchNormTraining, options_.autograd);
  const auto result = backward(input, labels, address);
  if (!device_) keepStatistics(statistics);
  for (const auto& group : optimizer_->groups())
    for (const auto& parameter : group.parameters)
      if (parameter.tensor.grad().defined()) take(parameter.name, parameter.tensor.grad());
  if (!device_) optimizer_->clearGradients();
  return result;
}

void Session::apply(const std::map<std::string, at::Tensor>& gradients, std::span<const double> rates) {
  keepStart();
  countChange();
  optimizer_->clearGradients();
  std::size_t used = 0;
  for (const auto& group : optimizer_->groups()) {
    for (const auto& parameter : group.parameters) {
      const auto found = gradients.find(parameter.name);
      if (found == gradients.end()) continue;
      if (found->second.numel() != parameter.tensor.numel())
        throw Error("ERR_SHAPE_MISMATCH", "The gradient of " + parameter.name + " has " +
                                              std::to_string(found->second.numel()) + " values, and the parameter " +
                                              std::to_string(parameter.tensor.numel()));
      if (!model::allFinite(found->second)) throw nonFinite(("The gradient of " + parameter.name).c_str());
      auto gradient = at::empty_like(parameter.tensor);
      gradient.copy_(found->second.reshape(parameter.tensor.sizes()));
      parameter.tensor.mutable_grad() = gradient;
      ++used;
    }
  }
  if (used != gradients.size())
    throw Error("ERR_INVALID_ARGUMENT", "gradients names parameters that are in no parameter group");
  if (device_) {
    applyOnDevice(rates);
  } else {
    optimizer_->step(rates);
    optimizer_->clearGradients();
  }
}

/// The parameters hold the caller's gradients, some perhaps none.
void Session::applyOnDevice(std::span<const double> rates) {
  const at::NoGradGuard noGrad;
  for (const auto& group : optimizer_->groups())
    for (const auto& parameter : group.parameters)
      if (parameter.tensor.grad().defined()) parameter.tensor.grad().mul_(device_->scale());
  device_->rebind();
  device_->begin(rates);
  device_->prepare(/*withLoss=*/false);
  device_->step();
  device_->end(/*withLoss=*/false);
  const bool skipped = device_->finished(/*all=*/true).skipped > 0;
  optimizer_->attachGradients();
  device_->rebind();
  if (skipped) throw nonFinite("A gradient");
}

std::vector<double> Session::drift() {
  const at::NoGradGuard noGrad;
  std::array<double, model::kUnits.size()> moved{}, began{};
  for (const auto& group : optimizer_->groups()) {
    for (const auto& [name, tensor] : group.parameters) {
      const auto found = start_.find(name);
      if (found == start_.end()) continue;
      const auto unit = static_cast<std::size_t>(model::unitOf(name));
      moved[unit] += (tensor - found->second).pow(2).sum(at::kDouble).item<double>();
      began[unit] += found->second.pow(2).sum(at::kDouble).item<double>();
    }
  }
  std::vector<double> drift;
  for (std::size_t unit = 0; unit < moved.size(); ++unit)
    drift.push_back(began[unit] > 0 ? std::sqrt(moved[unit] / began[unit]) : 0);
  return drift;
}

AtomicFile Session::stageModel(const std::string& path, const Metadata& metadata) const {
  const at::NoGradGuard noGrad;
  model_->initialise();
  std::vector<model::TensorToStore> tensors;
  for (const auto& entry : model_->tensors()) tensors.push_back({entry.name, entry.tensor});
  return model::stageSafetensors(path, tensors, metadata);
}

AtomicFile Session::stageState(const std::string& path, const Metadata& metadata) {
  keepStart();
  std::vector<model::TensorToStore> tensors;
  for (const auto& [parameter, state, tensor] : optimizer_->state())
    tensors.push_back({parameter + "." + state, tensor});
  if (options_.lossScale.mayOverflow) tensors.push_back({kScaler, device_->scaler()});
  // Where training began, so that the drift of a resumed run is measured from there too.
  for (const auto& [name, tensor] : start_) tensors.push_back({name + "." + kStartSuffix, tensor});
  return model::stageSafetensors(path, tensors, metadata);
}

void Session::loadState(const std::string& path, const std::vector<model::StoredTensor>& tensors) {
  const at::NoGradGuard noGrad;
  keepStart();
  model::WeightFaults faults;
  model::readStored(path, tensors, [&](const model::StoredTensor& stored, const at::Tensor& tensor) {
    if (!faults.check(stored.name, tensor)) return;
    if (stored.name == kScaler) {
      // A run that goes on in another precision has no use for it.
      if (options_.lossScale.mayOverflow) device_->setScaler(tensor);
      return;
    }
    const auto dot = stored.name.find_last_of('.');
    if (dot == std::string::npos) throw Error("ERR_CHECKPOINT", path + " holds an unknown tensor, " + stored.name);
    const auto parameter = stored.name.substr(0, dot);
    const auto state = stored.name.substr(dot + 1);
    if (state != kStartSuffix) {
      optimizer_->setState(parameter, state, tensor);
      return;
    }
    const auto found = start_.find(parameter);
    if (found == start_.end() || found->second.sizes() != tensor.sizes())
      throw Error("ERR_CHECKPOINT", path + " was written with other trainable parameters: " + parameter);
    found->second.copy_(tensor);
  });
  faults.throwIfAny("ERR_CHECKPOINT", path);
}

void Session::keepWeights() {
  const at::NoGradGuard noGrad;
  keepStart();
  const auto keep = [&](const std::string& name, const at::Tensor& tensor) {
    auto& kept = kept_[name];
    kept = kept.defined() ? kept.copy_(tensor) : tensor.detach().clone();
  };
  for (const auto& name : trainability_.parameters) keep(name, model_->find(name).tensor);
  for (const auto& norm : options_.batchNormTraining)
    for (const char* buffer : kRunning) keep(norm + buffer, model_->find(norm + buffer).tensor);
}

void Session::restoreWeights() {
  const at::NoGradGuard noGrad;
  if (kept_.empty()) throw Error("ERR_INTERNAL", "No weights were kept");
  for (const auto& [name, kept] : kept_) at::Tensor(model_->find(name).tensor).copy_(kept);
  kept_.clear();
  countChange();
}

AtomicFile Session::stageKept(const std::string& path, const Metadata& metadata) {
  if (kept_.empty()) throw Error("ERR_INTERNAL", "No weights were kept");
  std::vector<model::TensorToStore> tensors;
  for (const auto& entry : model_->tensors()) {
    const auto kept = kept_.find(entry.name);
    tensors.push_back({entry.name, kept == kept_.end() ? entry.tensor : kept->second});
  }
  auto file = model::stageSafetensors(path, tensors, metadata);
  kept_.clear();
  return file;
}

Session::Memory Session::memory() const {
  Memory memory;
  memory.stateBytes = optimizer_->stateBytes();
  for (const auto& group : optimizer_->groups())
    for (const auto& parameter : group.parameters)
      if (parameter.tensor.grad().defined()) memory.gradientBytes += parameter.tensor.grad().nbytes();
  return memory;
}

std::size_t Session::expectedBytes() const {
  const bool adaptive = options_.optimizer.kind != optim::Kind::kSgd;
  const std::size_t states = adaptive ? 2 : options_.optimizer.momentum != 0 ? 1 : 0;
  std::size_t trainable = 0;
  for (const auto& group : optimizer_->groups())
    for (const auto& parameter : group.parameters) trainable += parameter.tensor.nbytes();
  return trainable * (2 + states);
}

}  // namespace resnet_torch::train
