#pragma once

#include <future>
#include <map>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/executor.h"
#include "model/network.h"
#include "model/safetensors.h"
#include "optim/optimizer.h"
#include "train/step.h"
#include "train/weight_sets.h"

namespace resnet_torch::train {

// The files of a checkpoint. What is staged is with the operating system, and in its place once it is committed.

using Metadata = std::map<std::string, std::string>;

/// The model as it is.
AtomicFile stageModel(const model::Network& model, const std::string& path, const Metadata& metadata);
/// The model with the tensors of a weight set in the place of its own.
AtomicFile stageModel(const model::Network& model, const WeightSet& with, const std::string& path,
                      const Metadata& metadata);

/// What a session goes on with, beside the model.
struct TrainingState {
  optim::Optimizer& optimizer;
  Stepper& stepper;
  WeightSet& start;
  bool scalesLosses;  ///< by a scale that moves
};
AtomicFile stageState(const TrainingState& state, const std::string& path, const Metadata& metadata);
/// Reads what stageState() wrote. ERR_CHECKPOINT for what belongs to other trainable parameters, or is not finite.
void loadState(const TrainingState& state, const std::string& path, const std::vector<model::StoredTensor>& tensors);

/// Staged files on their way to the disk, each after the one before, on a thread of their own.
class Commit {
 public:
  /// Wakes the executor at the end.
  void begin(std::vector<AtomicFile> files, Executor& executor);
  bool begun() const { return done_.valid(); }
  bool ended() const { return done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  /// Throws what went wrong.
  void finish() { done_.get(); }

 private:
  std::future<void> done_;
};

}  // namespace resnet_torch::train
