#include "model/compiled.h"

#include <algorithm>

namespace resnet_torch::model {

std::shared_ptr<FrozenUnits> Compiled::find(int first, int last, at::ScalarType compute) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.units->first() == first && entry.units->last() == last && entry.compute == compute;
  });
  return found == entries_.end() ? nullptr : found->units;
}

void Compiled::add(std::shared_ptr<FrozenUnits> units, at::ScalarType compute) {
  entries_.push_back({std::move(units), compute});
}

void Compiled::drop(int changedUnit) {
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.units->first() <= changedUnit && changedUnit < entry.units->last();
  });
}

std::shared_ptr<FrozenUnits> compiledUnits(Network& model, int first, int last, at::ScalarType compute) {
  model.initialise();
  auto units = model.compiled().find(first, last, compute);
  if (units) return units;
  units = std::make_shared<FrozenUnits>(model, first, last, compute);
  model.compiled().add(units, compute);
  return units;
}

at::Tensor compiledFeatures(Network& model, const at::Tensor& images, at::ScalarType compute) {
  return compiledUnits(model, 0, model.architecture().backboneUnits(), compute)->run(images);
}

at::Tensor compiledLogits(Network& model, const at::Tensor& images, at::ScalarType compute) {
  return compiledLogitsFrom(model, 0, images, compute);
}

at::Tensor compiledLogitsFrom(Network& model, int units, const at::Tensor& input, at::ScalarType compute) {
  return model.logits(compiledUnits(model, units, model.architecture().backboneUnits(), compute)->run(input), {});
}

}  // namespace resnet_torch::model
