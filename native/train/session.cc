#include "train/session.h"

#include <algorithm>

#include "core/errors.h"
#include "model/compiled.h"
#include "model/device_kernels.h"
#include "model/finite.h"
#include "train/cudnn_benchmark.h"
#include "train/dropout.h"
#include "train/non_finite.h"

namespace resnet_torch::train {

namespace {

optim::Parameter trainable(const model::Network& model, const std::string& name,
                           std::unordered_set<std::string>& seen) {
  const auto& entry = model.find(name);
  if (!entry.parameter)
    throw Error("ERR_INVALID_ARGUMENT", name + " is a buffer, not a parameter, and cannot be trained");
  if (!seen.insert(name).second)
    throw Error("ERR_INVALID_ARGUMENT", "The parameter " + name + " is in more than one parameter group");
  return {name, entry.tensor};
}

}  // namespace

Session::Session(std::shared_ptr<model::Network> model, SessionOptions options)
    : model_(std::move(model)), options_(std::move(options)), objective_(options_.loss, model_->headShape().classes) {
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
  if (options_.lossScale.mayOverflow && (options_.autograd || !stepKernels(model_->device())))
    throw Error("ERR_INVALID_ARGUMENT", "Losses are scaled on a CUDA device only, and not with autograd");
  if (options_.cudaGraph && (options_.autograd || !stepKernels(model_->device())))
    throw Error("ERR_INVALID_ARGUMENT", "cudaGraph needs a CUDA device, and goes without autograd: leave it out");
  if (model_->inSession.exchange(true))
    throw Error("ERR_BUSY", "The model is being trained by another session: dispose of that one first");
  optimizer_ = std::make_unique<optim::Optimizer>(options_.optimizer, std::move(groups));
  trainability_ = {std::move(seen), options_.batchNormTraining};
  changing_ = trainability_.units(model_->architecture());
  frozenUnits_ = options_.autograd ? 0 : trainability_.frozenUnits(model_->architecture());
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

void Session::start() {
  if (stepper_) return;
  const at::NoGradGuard noGrad;
  model_->initialise();
  for (const auto& group : optimizer_->groups()) {
    for (const auto& [name, tensor] : group.parameters) {
      weights_.start.copy(name, tensor);
      tensor.set_requires_grad(options_.autograd);
    }
  }
  stepper_ = makeStepper({*model_, options_, trainability_, frozenUnits_, objective_, *optimizer_});
}

void Session::checkImages(const at::Tensor& images) const {
  if (!usable(images.size(0), std::max(images.size(2), images.size(3))))
    throw Error(
        "ERR_SHAPE_MISMATCH",
        "A batch of one image of this size leaves BatchNorm a single value a channel to take statistics of: use "
        "larger batches or images, or BatchNorm in evaluation mode");
}

bool Session::usable(std::int64_t images, std::int64_t size) const {
  const bool single = images == 1 && model_->architecture().lastSide(size) == 1;
  return images > 0 && !(single && !options_.batchNormTraining.empty());
}

BatchAddress Session::nextOwnAddress(std::int64_t images) {
  BatchAddress address;
  for (std::int64_t i = 0; i < images; ++i) address.samples.push_back(ownSamples_++);
  return address;
}

at::Tensor Session::prefix(const at::Tensor& images) {
  model_->initialise();
  if (frozenUnits_ == 0) return images;
  const CudnnBenchmark search(options_.searchedBatch > 0 && images.size(0) == options_.searchedBatch);
  return model::compiledUnits(*model_, 0, frozenUnits_, options_.compute)->run(images);
}

StepInputs Session::inputsOf(const at::Tensor& input, const Targets& targets, const BatchAddress& address) {
  const auto count = targets.indices.size(0);
  if (input.size(0) != count)
    throw Error("ERR_SHAPE_MISMATCH",
                std::to_string(input.size(0)) + " images came with " + std::to_string(count) + " labels");
  start();
  countChange();
  return {input, {model::uploaded(targets.indices, model_->device())}, dropoutMasks(*model_, options_.seed, address)};
}

void Session::countChange() {
  for (const int unit : changing_) model_->setChanged(unit);
}

void Session::plan(std::span<const double> rates) {
  start();
  stepper_->plan(rates);
}

void Session::queueStep(const at::Tensor& input, const Targets& targets, const BatchAddress& address,
                        std::span<const double> rates) {
  const auto inputs = inputsOf(input, targets, address);
  stepper_->step(inputs, rates);
  if (auto why = stepper_->takeRecordingFailure())
    notes_.push_back(
        {"step-not-recorded", "A step could not be recorded for --cuda-graph (cudaGraph): " + *why +
                                  " Steps are made one kernel at a time from here on, with the same results."});
}

std::vector<StepResult> Session::takeResults(bool all) {
  if (!stepper_) return {};
  auto [steps, skipped, failure] = stepper_->results(all);
  if (options_.lossScale.mayOverflow) skippedSteps_ += skipped;
  if (stepsFailed_) return {};
  if (failure) {
    // It is of a step before whatever was postponed until now.
    postpone(std::move(failure));
    stepsFailed_ = true;
  }
  return std::move(steps);
}

StepResult Session::step(const at::Tensor& input, const Targets& targets, const BatchAddress& address,
                         std::span<const double> rates) {
  queueStep(input, targets, address, rates);
  const auto results = takeResults(/*all=*/true);
  throwPostponed();
  return results.back();
}

StepResult Session::gradients(const at::Tensor& input, const Targets& targets, const BatchAddress& address,
                              const Stepper::TakeGradient& take) {
  const auto inputs = inputsOf(input, targets, address);
  return stepper_->gradients(inputs, take);
}

void Session::apply(const std::map<std::string, at::Tensor>& gradients, std::span<const double> rates) {
  start();
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
      if (!model::allFinite(found->second)) throw notFiniteInTraining("The gradient of " + parameter.name);
      auto gradient = at::empty_like(parameter.tensor);
      gradient.copy_(found->second.reshape(parameter.tensor.sizes()));
      parameter.tensor.mutable_grad() = gradient;
      ++used;
    }
  }
  if (used != gradients.size())
    throw Error("ERR_INVALID_ARGUMENT", "gradients names parameters that are in no parameter group");
  stepper_->apply(rates);
}

AtomicFile Session::stageModel(const std::string& path, const Metadata& metadata) const {
  const at::NoGradGuard noGrad;
  model_->initialise();
  return train::stageModel(*model_, path, metadata);
}

AtomicFile Session::stageState(const std::string& path, const Metadata& metadata) {
  start();
  return train::stageState(state(), path, metadata);
}

void Session::loadState(const std::string& path, const std::vector<model::StoredTensor>& tensors) {
  start();
  train::loadState(state(), path, tensors);
}

void Session::copyBest() {
  start();
  copyChanging(*model_, trainability_, weights_.best);
}

const WeightSet& Session::best() const {
  if (weights_.best.empty()) throw Error("ERR_INTERNAL", "The weights of the best epoch were not copied");
  return weights_.best;
}

void Session::restoreBest() {
  const at::NoGradGuard noGrad;
  for (const auto& [name, values] : best().tensors()) at::Tensor(model_->find(name).tensor).copy_(values);
  weights_.best.clear();
  countChange();
}

AtomicFile Session::stageBest(const std::string& path, const Metadata& metadata) {
  auto file = train::stageModel(*model_, best(), path, metadata);
  weights_.best.clear();
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
  std::size_t trainable = 0;
  for (const auto& group : optimizer_->groups())
    for (const auto& parameter : group.parameters) trainable += parameter.tensor.nbytes();
  return 2 * trainable + optimizer_->expectedStateBytes();
}

}  // namespace resnet_torch::train
