#include "cuda/training_step.h"

#include <algorithm>
#include <cstddef>

#include "cuda/step_recorder.h"
#include "cuda/tensors.h"

namespace resnet_torch::cuda {

namespace {

/// Of steps whose results are read at once: often enough to be told of, seldom enough to cost nothing.
constexpr std::size_t kReadAtOnce = 8;

/// Steps that the device may still have before it when another is begun: enough that it never waits for the host, and
/// few, since each holds its batch in pinned memory.
constexpr std::size_t kMostUnderWay = 3;

constexpr std::int64_t kWord = sizeof(std::int32_t);
constexpr std::int64_t kStateWords = sizeof(StepState) / kWord, kResultWords = sizeof(BatchResult) / kWord;
constexpr std::int64_t wordOf(std::size_t offset) {
  return static_cast<std::int64_t>(offset) / kWord;
}

OptimizerSettings settingsOf(const optim::Settings& from, const train::StepSettings& step) {
  const auto& scale = step.scale;
  OptimizerSettings settings;
  settings.rule = from;
  settings.maxNorm = step.clipNorm;
  settings.growthInterval = scale.growthInterval;
  settings.growth = scale.growth;
  settings.backoff = scale.backoff;
  settings.mayOverflow = scale.mayOverflow;
  return settings;
}

/// A host's table as bytes in device memory, where it stays: what was recorded of a step reads it there.
template <class T>
void upload(const std::vector<T>& values, at::Device device, at::Tensor& to) {
  const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(T));
  if (!to.defined()) to = at::empty({bytes}, at::TensorOptions().device(device).dtype(at::kByte));
  to.copy_(at::from_blob(const_cast<T*>(values.data()), {bytes}, at::kByte));
}

Storage storageOf(const at::Tensor& copy) {
  TORCH_CHECK(copy.scalar_type() == at::kHalf || copy.scalar_type() == at::kBFloat16);
  return copy.scalar_type() == at::kHalf ? Storage::kFloat16 : Storage::kBfloat16;
}

void requireLikeParameter(const at::Tensor& parameter, const at::Tensor& values) {
  TORCH_CHECK(!values.defined() || (values.strides() == parameter.strides() &&
                                    values.device() == parameter.device() && values.scalar_type() == at::kFloat),
              "an optimizer's tensors lie in different ways");
}

}  // namespace

TrainingStep::TrainingStep(const optim::Optimizer& optimizer, const train::StepSettings& settings)
    : optimizer_(optimizer),
      settings_(settingsOf(optimizer.settings(), settings)),
      loss_(lossLauncher(settings.loss, optimizer.steps().device())),
      device_(optimizer.steps().device()),
      groups_(optimizer.groups().size()) {
  static_assert(sizeof(StepState) == 8 * kWord && sizeof(BatchResult) == 4 * kWord);
  static_assert(kRateRows == kMostRows);
  const at::DeviceGuard guard(device_);
  const auto words = at::TensorOptions().device(device_).dtype(at::kInt);
  state_ = at::zeros({kStateWords}, words);
  scale().fill_(settings.scale.initial);
  results_ = at::zeros({kRateRows, kResultWords}, words);
  rates_ = at::zeros({kRateRows, static_cast<std::int64_t>(groups_)}, words.dtype(at::kDouble));
  rebind();
  factors_ = at::zeros({tensorCount_ * static_cast<std::int64_t>(sizeof(StepFactors))}, words.dtype(at::kByte));
  parts_ = at::empty({chunkCount_}, words.dtype(at::kFloat));
}

void TrainingStep::rebind() {
  const auto places = optimizer_.places();
  std::vector<OptimizerTensor> tensors;
  std::vector<std::int64_t> sizes;
  for (const auto& place : places) {
    const auto& parameter = place.parameter;
    TORCH_CHECK(parameter.scalar_type() == at::kFloat && parameter.is_non_overlapping_and_dense());
    requireLikeParameter(parameter, place.gradient);
    for (const auto& values : place.slots) requireLikeParameter(parameter, values);
    OptimizerTensor tensor;
    tensor.parameter = into<float>(parameter);
    tensor.gradient = from<float>(place.gradient);
    for (std::size_t k = 0; k < place.slots.size(); ++k) tensor.slots[k] = into<float>(place.slots[k]);
    tensor.size = parameter.numel();
    const auto kept = std::find_if(copies_.begin(), copies_.end(),
                                   [&](const model::WeightCopy& copy) { return copy.weight.is_same(parameter); });
    if (kept != copies_.end()) {
      tensor.copy = kept->copy.mutable_data_ptr();
      tensor.copyStorage = storageOf(kept->copy);
    }
    tensor.group = place.group;
    tensor.weightDecay = static_cast<float>(optimizer_.groups()[static_cast<std::size_t>(place.group)].weightDecay);
    tensors.push_back(tensor);
    sizes.push_back(tensor.size);
  }
  upload(tensors, device_, tensors_);
  if (chunks_.defined()) return;
  const auto chunks = chunksOf(sizes);
  upload(chunks, device_, chunks_);
  tensorCount_ = static_cast<int>(tensors.size());
  chunkCount_ = static_cast<int>(chunks.size());
}

OptimizerTable TrainingStep::table() const {
  OptimizerTable table;
  table.tensors = from<OptimizerTensor>(tensors_);
  table.steps = into<float>(optimizer_.steps());
  table.factors = into<StepFactors>(factors_);
  table.tensorCount = tensorCount_;
  table.chunks = from<Chunk>(chunks_);
  table.chunkCount = chunkCount_;
  table.rates = from<double>(rates_);
  table.groups = static_cast<int>(groups_);
  table.scalars = into<float>(optimizer_.scalars());
  return table;
}

at::Tensor TrainingStep::skip() const {
  return state_.narrow(0, wordOf(offsetof(StepState, skip)), 1);
}

at::Tensor TrainingStep::scale() const {
  return state_.view(at::kFloat).narrow(0, wordOf(offsetof(StepState, scale)), 1);
}

at::Tensor TrainingStep::steadySteps() const {
  return state_.narrow(0, wordOf(offsetof(StepState, steadySteps)), 1);
}

at::Tensor TrainingStep::scaler() const {
  return at::cat({scale().to(at::kDouble), steadySteps().to(at::kDouble)}).cpu();
}

void TrainingStep::setScaler(const at::Tensor& values) {
  TORCH_CHECK(values.dim() == 1 && values.size(0) == 2);
  scale().copy_(values.narrow(0, 0, 1));
  steadySteps().copy_(values.narrow(0, 1, 1));
}

void TrainingStep::plan(std::span<const double> rates) {
  if (rates.empty() || rates.size() % groups_ != 0 || rates.size() / groups_ > kRateRows)
    throw Error("ERR_INVALID_ARGUMENT", "rates has " + std::to_string(rates.size()) + " values for " +
                                            std::to_string(groups_) + " parameter groups and at most " +
                                            std::to_string(kRateRows) + " steps");
  const at::DeviceGuard guard(device_);
  read();
  planned_.assign(rates.begin(), rates.end());
  const auto rows = static_cast<std::int64_t>(planned_.size() / groups_);
  rates_.narrow(0, 0, rows)
      .copy_(at::from_blob(planned_.data(), {rows, static_cast<std::int64_t>(groups_)}, at::kDouble));
  state_.narrow(0, wordOf(offsetof(StepState, row)), 1).zero_();
  row_ = unread_ = 0;
}

void TrainingStep::begin(std::span<const double> rates) {
  if (rates.size() != groups_)
    throw Error("ERR_INVALID_ARGUMENT", "rates has " + std::to_string(rates.size()) + " values for " +
                                            std::to_string(groups_) + " parameter groups");
  while (underWay_.size() >= kMostUnderWay) {
    underWay_.front()->wait();
    underWay_.pop_front();
  }
  const auto start = row_ * groups_;
  const bool asPlanned =
      start + groups_ <= planned_.size() &&
      std::equal(rates.begin(), rates.end(), planned_.begin() + static_cast<std::ptrdiff_t>(start));
  if (!asPlanned) plan(rates);
}

at::Tensor TrainingStep::launchLoss(const at::Tensor& logits, const train::Targets& targets,
                                    const at::Tensor& results, bool inRow) const {
  const at::DeviceGuard guard(device_);
  return loss_({logits, targets.indices, inRow ? &state()->scale : nullptr, into<BatchResult>(results),
                inRow ? &state()->row : nullptr});
}

at::Tensor TrainingStep::loss(const at::Tensor& logits, const train::Targets& targets) {
  return launchLoss(logits, targets, results_, /*inRow=*/true);
}

train::Objective::Outcome TrainingStep::lossAlone(const at::Tensor& logits, const train::Targets& targets) {
  const auto results = at::zeros({kResultWords}, results_.options());
  auto gradient = launchLoss(logits, targets, results, /*inRow=*/false);
  const auto read = results.cpu();
  const auto& result = *from<BatchResult>(read);
  return {{result.loss, result.top1}, std::move(gradient)};
}

void TrainingStep::prepare(bool withLoss) {
  const at::DeviceGuard guard(device_);
  const auto context = contextOf(device_);
  gradientNorm(table(), state(), into<float>(parts_), context);
  prepareStep(table(), settings_, from<float>(parts_), withLoss ? from<BatchResult>(results_) : nullptr, state(),
              context);
}

void TrainingStep::step() {
  const at::DeviceGuard guard(device_);
  optimizerStep(table(), settings_, state(), contextOf(device_));
}

void TrainingStep::end(bool withLoss) {
  const at::DeviceGuard guard(device_);
  underWay_.push_back(markStream(device_));
  losses_.resize(row_ - unread_, false);
  losses_.push_back(withLoss);
  ++row_;
  if (row_ - unread_ >= kReadAtOnce) read();
}

bool TrainingStep::busy() const {
  return !underWay_.empty() && !underWay_.back()->passed();
}

void TrainingStep::read() {
  const auto count = row_ - unread_;
  if (count == 0) return;
  const at::DeviceGuard guard(device_);
  Reading reading;
  reading.results = pinned({static_cast<std::int64_t>(count), kResultWords}, at::kInt);
  reading.state = pinned({kStateWords}, at::kInt);
  reading.results.copy_(results_.narrow(0, static_cast<std::int64_t>(unread_), static_cast<std::int64_t>(count)),
                        /*non_blocking=*/true);
  reading.state.copy_(state_, /*non_blocking=*/true);
  reading.mark = markStream(device_);
  losses_.resize(count, false);
  reading.withLoss = std::move(losses_);
  losses_.clear();
  readings_.push_back(std::move(reading));
  unread_ = row_;
}

void TrainingStep::keepCopies(std::vector<model::WeightCopy> copies) {
  for (const auto& [weight, copy] : copies)
    TORCH_CHECK(copy.device() == weight.device() && copy.sizes() == weight.sizes() &&
                copy.strides() == weight.strides());
  copies_ = std::move(copies);
  rebind();
}

std::unique_ptr<train::StepRecorder> TrainingStep::recorder() const {
  return makeStepRecorder(device_);
}

TrainingStep::Finished TrainingStep::finished(bool all) {
  if (all) read();
  Finished finished;
  while (!readings_.empty() && (all || readings_.front().mark->passed())) {
    const auto& reading = readings_.front();
    reading.mark->wait();
    const auto* results = from<BatchResult>(reading.results);
    for (std::size_t i = 0; i < reading.withLoss.size(); ++i)
      if (reading.withLoss[i]) finished.results.push_back({results[i].loss, results[i].top1});
    const auto& state = *from<StepState>(reading.state);
    const auto skipped = state.skippedSteps;
    broken_ = state.broken != 0;
    finished.skipped += skipped - skipped_;
    skipped_ = skipped;
    readings_.pop_front();
  }
  if (all && std::exchange(broken_, false)) state_.narrow(0, wordOf(offsetof(StepState, broken)), 1).zero_();
  return finished;
}

std::unique_ptr<train::StepKernels> makeTrainingStep(const optim::Optimizer& optimizer,
                                                     const train::StepSettings& settings) {
  return std::make_unique<TrainingStep>(optimizer, settings);
}

}  // namespace resnet_torch::cuda
