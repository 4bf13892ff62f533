#include "train/checkpoint.h"

#include "core/errors.h"
#include "model/weight_faults.h"

namespace resnet_torch::train {

namespace {

constexpr const char* kStartSuffix = "start";
constexpr const char* kScaler = "loss.scale";

}  // namespace

AtomicFile stageModel(const model::Network& model, const std::string& path, const Metadata& metadata) {
  return stageModel(model, {}, path, metadata);
}

AtomicFile stageModel(const model::Network& model, const WeightSet& with, const std::string& path,
                      const Metadata& metadata) {
  const at::NoGradGuard noGrad;
  std::vector<model::TensorToStore> tensors;
  for (const auto& entry : model.tensors()) {
    const auto* copy = with.find(entry.name);
    tensors.push_back({entry.name, copy ? *copy : entry.tensor});
  }
  return model::stageSafetensors(path, tensors, metadata);
}

AtomicFile stageState(const TrainingState& state, const std::string& path, const Metadata& metadata) {
  std::vector<model::TensorToStore> tensors;
  for (const auto& [parameter, name, tensor] : state.optimizer.state())
    tensors.push_back({parameter + "." + name, tensor});
  if (state.scalesLosses) tensors.push_back({kScaler, state.stepper.scaler()});
  // Where training began, so that the drift of a resumed run is measured from there too.
  for (const auto& [name, tensor] : state.start.tensors()) tensors.push_back({name + "." + kStartSuffix, tensor});
  return model::stageSafetensors(path, tensors, metadata);
}

void loadState(const TrainingState& state, const std::string& path, const std::vector<model::StoredTensor>& tensors) {
  const at::NoGradGuard noGrad;
  model::WeightFaults faults;
  model::readStored(path, tensors, [&](const model::StoredTensor& stored, const at::Tensor& tensor) {
    if (!faults.check(stored.name, tensor)) return;
    if (stored.name == kScaler) {
      // A run that goes on in another precision has no use for it.
      if (state.scalesLosses) state.stepper.setScaler(tensor);
      return;
    }
    const auto dot = stored.name.find_last_of('.');
    if (dot == std::string::npos) throw Error("ERR_CHECKPOINT", path + " holds an unknown tensor, " + stored.name);
    const auto parameter = stored.name.substr(0, dot);
    const auto name = stored.name.substr(dot + 1);
    if (name != kStartSuffix) {
      state.optimizer.setState(parameter, name, tensor);
      return;
    }
    const auto* start = state.start.find(parameter);
    if (!start || start->sizes() != tensor.sizes())
      throw Error("ERR_CHECKPOINT", path + " was written with other trainable parameters: " + parameter);
    start->copy_(tensor);
  });
  faults.throwIfAny("ERR_CHECKPOINT", path);
  state.optimizer.checkState();
}

void Commit::begin(std::vector<AtomicFile> files, Executor& executor) {
  struct WakeAtEnd {
    Executor& executor;
    ~WakeAtEnd() { executor.wake(); }
  };
  done_ = std::async(std::launch::async, [files = std::move(files), &executor]() mutable {
    const WakeAtEnd whatever{executor};
    for (auto& file : files) file.commit();
  });
}

}  // namespace resnet_torch::train
