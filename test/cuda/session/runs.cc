#include "runs.h"

#include <cmath>
#include <random>

#include "cuda/fused_ops.h"
#include "cuda/training_step.h"
#include "model/normalise.h"
#include "train/targets.h"

namespace model = resnet_torch::model;
namespace train = resnet_torch::train;

namespace {

constexpr std::int64_t kClasses = 5;
constexpr int kHead = 17;

SessionOptions optionsOf(const Network& model, const Plan& plan) {
  SessionOptions options;
  options.groups = {{"backbone", {}, 0.01}, {"head", {}, 0}};
  for (const auto& entry : model.tensors()) {
    if (!entry.parameter || model.architecture().unitOf(entry.name) < plan.first ||
        entry.tensor.numel() > plan.largest)
      continue;
    const bool head = entry.name.starts_with("fc.");
    options.groups[head ? 1 : 0].parameters.push_back(entry.name);
    const auto dot = entry.name.find_last_of('.');
    const auto module = entry.name.substr(0, dot);
    if (model.hasBatchNorm(module) && module.find(plan.batchStatistics) != std::string::npos)
      options.batchNormTraining.insert(module);
  }
  if (options.groups[0].parameters.empty()) options.groups.erase(options.groups.begin());
  options.optimizer = plan.optimizer;
  options.lossScale = plan.scale;
  options.cudaGraph = plan.cudaGraph;
  options.compute = plan.compute;
  options.searchedBatch = plan.searchedBatch;
  options.loss = plan.loss;
  options.clipNorm = plan.clipNorm;
  return options;
}

/// What every model begins with: drawn once, since drawing takes longer than a step.
const std::map<std::string, at::Tensor>& initialValues(Network& model) {
  static const auto drawn = [&] {
    model.initialise();
    std::map<std::string, at::Tensor> values;
    for (const auto& entry : model.tensors()) values[entry.name] = entry.tensor.detach().clone();
    return values;
  }();
  return drawn;
}

}  // namespace

void computeOnDevice(bool device) {
  model::setDeviceKernels(at::kCPU, device ? &resnet_torch::cuda::kFusedOps : nullptr);
  train::setStepKernels(at::kCPU, device ? resnet_torch::cuda::makeTrainingStep : nullptr);
}

std::int64_t Plan::imageSize() const {
  return first == kHead ? 32 : 64;
}

Run::Run(const Plan& plan)
    : imageSize(plan.imageSize()),
      model(std::make_shared<Network>(model::architecture("resnet50"), model::HeadShape{kClasses, {16}, 0.2},
                                      at::kFloat, at::kCPU, 1)),
      session(std::make_unique<Session>(model, optionsOf(*model, plan))),
      compute(plan.compute) {
  const at::NoGradGuard noGrad;
  for (const auto& entry : model->tensors()) {
    entry.tensor.detach().copy_(initialValues(*model).at(entry.name));
    model->setLoaded(entry.name);
  }
}

std::vector<double> ratesOf(int number) {
  return {1e-3 / (1 + number % 7), 2e-3 / (1 + number % 5)};
}

void Run::queue(int number, double times, std::int64_t images) {
  std::mt19937 random(static_cast<unsigned>(number));
  const auto bytes = at::empty({images, imageSize, imageSize, 3}, at::kByte);
  auto* to = bytes.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < bytes.numel(); ++i) to[i] = static_cast<std::uint8_t>(random());
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < images; ++i) labels.push_back(static_cast<std::int32_t>(random() % kClasses));
  // After the prefix: what is not a number does not outlast its fused ReLUs.
  const auto input = session->prefix(model::normalise(bytes, compute, channels));
  if (times != 1) input.select(0, 0).mul_(times);
  const auto rates = ratesOf(number);
  session->queueStep(input, train::tensorsOf({labels}, kClasses), session->nextOwnAddress(images),
                     std::span(rates).last(session->groups()));
}

StepResult Run::step(int number) {
  queue(number);
  const auto results = session->takeResults(/*all=*/true);
  session->throwPostponed();
  expect(results.size() == 1, "a step has one result");
  return results[0];
}

std::map<std::string, at::Tensor> Run::values() const {
  std::map<std::string, at::Tensor> values;
  for (const auto& entry : model->tensors()) {
    // Most never move: they need no copy.
    const auto& initial = initialValues(*model).at(entry.name);
    values[entry.name] = entry.tensor.equal(initial) ? initial : entry.tensor.detach().clone();
  }
  return values;
}

double distance(const std::map<std::string, at::Tensor>& got, const std::map<std::string, at::Tensor>& expected,
                const std::map<std::string, at::Tensor>& start) {
  double worst = 0;
  for (const auto& [name, tensor] : expected) {
    const auto& mine = got.at(name);
    if (mine.equal(tensor)) continue;
    const auto norm = [](const at::Tensor& values) { return values.to(at::kDouble).norm().item<double>(); };
    const double moved = norm(tensor - start.at(name)), apart = norm(mine - tensor), size = norm(tensor);
    worst = std::max(worst, apart / (moved + 1e-4 * size + 1e-30));
  }
  return worst;
}

bool same(const std::map<std::string, at::Tensor>& got, const std::map<std::string, at::Tensor>& expected) {
  return std::all_of(expected.begin(), expected.end(),
                     [&](const auto& entry) { return got.at(entry.first).equal(entry.second); });
}
