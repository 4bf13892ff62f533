#include "train/targets.h"

#include "core/errors.h"

namespace resnet_torch::train {

Targets tensorsOf(const data::Targets& targets, std::int64_t classes) {
  const auto& indices = targets.indices;
  auto tensor = at::empty({static_cast<std::int64_t>(indices.size())}, at::kLong);
  auto* to = tensor.mutable_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= classes)
      throw Error("ERR_INVALID_ARGUMENT", "labels[" + std::to_string(i) + "] is " + std::to_string(indices[i]) +
                                              ", and the model has " + std::to_string(classes) + " classes");
    to[i] = indices[i];
  }
  return {tensor};
}

}  // namespace resnet_torch::train
