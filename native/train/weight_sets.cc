#include "train/weight_sets.h"

#include <cmath>

#include "model/architecture.h"

namespace resnet_torch::train {

void WeightSet::copy(const std::string& name, const at::Tensor& tensor) {
  const at::NoGradGuard noGrad;
  auto& copy = tensors_[name];
  copy = copy.defined() ? copy.copy_(tensor) : tensor.detach().clone();
}

const at::Tensor* WeightSet::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

void copyChanging(const model::Network& model, const model::Trainability& trainability, WeightSet& to) {
  for (const auto& name : trainability.parameters) to.copy(name, model.find(name).tensor);
  for (const auto& norm : trainability.batchNormTraining)
    for (const char* buffer : kRunningStatistics) to.copy(norm + buffer, model.find(norm + buffer).tensor);
}

std::vector<double> driftByUnit(const model::Architecture& architecture, const std::vector<optim::Group>& groups,
                                const WeightSet& start) {
  const at::NoGradGuard noGrad;
  std::vector<double> moved(architecture.units().size()), began(moved.size());
  for (const auto& group : groups) {
    for (const auto& [name, tensor] : group.parameters) {
      const auto* before = start.find(name);
      if (!before) continue;
      const auto unit = static_cast<std::size_t>(architecture.unitOf(name));
      moved[unit] += (tensor - *before).pow(2).sum(at::kDouble).item<double>();
      began[unit] += before->pow(2).sum(at::kDouble).item<double>();
    }
  }
  std::vector<double> drift;
  for (std::size_t unit = 0; unit < moved.size(); ++unit)
    drift.push_back(began[unit] > 0 ? std::sqrt(moved[unit] / began[unit]) : 0);
  return drift;
}

}  // namespace resnet_torch::train
