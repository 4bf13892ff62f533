#include "model/compiled.h"

#include <algorithm>

namespace resnet_torch::model {

std::shared_ptr<FrozenUnits> Compiled::find(int first, int last, bool bf16) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.units->first() == first && entry.units->last() == last && entry.bf16 == bf16;
  });
  return found == entries_.end() ? nullptr : found->units;
}

void Compiled::add(std::shared_ptr<FrozenUnits> units, bool bf16) {
  entries_.push_back({std::move(units), bf16});
}

void Compiled::drop(int changedUnit) {
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.units->first() <= changedUnit && changedUnit < entry.units->last();
  });
}

std::shared_ptr<FrozenUnits> compiledUnits(ResNet50& model, int first, int last, bool bf16) {
  model.initialise();
  auto units = model.compiled().find(first, last, bf16);
  if (units) return units;
  units = std::make_shared<FrozenUnits>(model, first, last, bf16);
  model.compiled().add(units, bf16);
  return units;
}

at::Tensor compiledFeatures(ResNet50& model, const at::Tensor& images, bool bf16) {
  return compiledUnits(model, 0, kBackboneUnits, bf16)->run(images);
}

at::Tensor compiledLogits(ResNet50& model, const at::Tensor& images, bool bf16) {
  return compiledLogitsFrom(model, 0, images, bf16);
}

at::Tensor compiledLogitsFrom(ResNet50& model, int units, const at::Tensor& input, bool bf16) {
  return model.logits(compiledUnits(model, units, kBackboneUnits, bf16)->run(input), {});
}

}  // namespace resnet_torch::model
