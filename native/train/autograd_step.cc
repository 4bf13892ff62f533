#include "train/autograd_step.h"

#include "model/finite.h"
#include "train/non_finite.h"
#include "train/session_options.h"
#include "train/weight_sets.h"

namespace resnet_torch::train {

namespace {

/// The forward pass moves running statistics: this puts them back.
class StatisticsGuard {
 public:
  StatisticsGuard(const model::Network& model, const std::unordered_set<std::string>& norms) {
    for (const auto& norm : norms)
      for (const char* buffer : kRunningStatistics) {
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

  template <class Take>
  void each(const Take& take) const {
    for (const auto& [tensor, value] : before_) take(tensor);
  }

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> before_;
};

}  // namespace

StepResult AutogradStep::backward(const StepInputs& inputs) {
  const StatisticsGuard statistics(parts_.model, parts_.options.batchNormTraining);
  const at::AutoGradMode withGrad(true);
  model::ForwardOptions forward;
  forward.compute = parts_.options.compute;
  forward.training = &parts_.options.batchNormTraining;
  forward.dropoutMasks = inputs.dropoutMasks;
  const auto result = parts_.objective.backward(parts_.model.forward(inputs.input, forward), inputs.targets);
  statistics_.clear();
  statistics.each([&](const at::Tensor& tensor) { statistics_.push_back({tensor, tensor.clone()}); });
  return result;
}

void AutogradStep::requireFiniteGradients() const {
  for (const auto& group : parts_.optimizer.groups())
    for (const auto& parameter : group.parameters)
      if (parameter.tensor.grad().defined() && !model::allFinite(parameter.tensor.grad()))
        throw notFiniteInTraining("A gradient");
}

void AutogradStep::moveStatistics() {
  const at::NoGradGuard noGrad;
  for (const auto& [tensor, moved] : statistics_) tensor.copy_(moved);
  statistics_.clear();
}

}  // namespace resnet_torch::train
