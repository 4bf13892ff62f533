#pragma once

#include "core/tensor.h"

#include <atomic>
#include <exception>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "model/network.h"
#include "model/safetensors.h"
#include "model/trainable_suffix.h"
#include "optim/optimizer.h"
#include "train/batch_address.h"
#include "train/checkpoint.h"
#include "train/objective.h"
#include "train/session_options.h"
#include "train/step.h"
#include "train/targets.h"
#include "train/weight_sets.h"

namespace resnet_torch::train {

/// What was met in training and the caller should know of: `Note` of src/notes.ts.
struct Note {
  std::string code, message;
};

/// Trains some parameters of a model: forward, loss, backward, one optimizer step. All methods but the constructor's
/// checks belong on the executor's thread. A model is trained by one session at a time (ERR_BUSY).
class Session {
 public:
  Session(std::shared_ptr<model::Network> model, SessionOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const model::Network& model() const { return *model_; }
  /// Lets another session have the model, as its end does. Nothing may be asked of this one afterwards.
  void release();
  /// The dtype computed in.
  at::ScalarType compute() const { return options_.compute; }
  std::size_t groups() const { return optimizer_->groups().size(); }

  /// Units from the input with nothing trainable and no BatchNorm in training mode.
  int frozenUnits() const { return frozenUnits_; }
  /// What these units make of normalised images [n, 3, h, w], which is what the steps below begin from: the output of
  /// unit frozenUnits() − 1, pooled features [n, features] after the whole backbone, the images themselves where
  /// there is none.
  at::Tensor prefix(const at::Tensor& images);
  /// ERR_SHAPE_MISMATCH where a batch of these images is not `usable()`.
  void checkImages(const at::Tensor& images) const;
  /// Whether a batch of so many images of this side can be trained on: not an empty one, nor one that leaves
  /// BatchNorm a single value a channel.
  bool usable(std::int64_t images, std::int64_t size) const;
  /// Addresses for a batch of the caller's own, which has no data set: the session counts them.
  BatchAddress nextOwnAddress(std::int64_t images);

  /// Says which rates the steps that follow will be given, [steps, groups], of at most 64: some devices take them at
  /// once.
  void plan(std::span<const double> rates);
  /// `input`: of prefix(). A loss that is not finite is ERR_NON_FINITE, and changes no weight. Nor is a gradient
  /// taken that is not finite: ERR_NON_FINITE too, unless losses are scaled. The CPU has made the step when this
  /// returns; a device is told of it, makes it meanwhile, and passes over what does not hold.
  void queueStep(const at::Tensor& input, const Targets& targets, const BatchAddress& address,
                 std::span<const double> rates);
  /// Whether a device is at steps that were queued. The CPU has made them.
  bool busy() const { return stepper_ && stepper_->busy(); }
  /// What queued steps have come to, in order, and of which it was not told yet: `all` of them, or those that are
  /// known without waiting for a device. An error in one of them is postponed, and ends the results.
  std::vector<StepResult> takeResults(bool all);
  /// What was met since the last call.
  std::vector<Note> takeNotes() { return std::exchange(notes_, {}); }
  /// Steps among the results taken since the last call that changed nothing, since scaled gradients overflowed.
  std::int64_t takeSkippedSteps() { return std::exchange(skippedSteps_, 0); }
  /// One step whose result is waited for.
  StepResult step(const at::Tensor& input, const Targets& targets, const BatchAddress& address,
                  std::span<const double> rates);
  /// Forward and backward alone; `take` gets every trainable parameter's gradient.
  StepResult gradients(const at::Tensor& input, const Targets& targets, const BatchAddress& address,
                       const Stepper::TakeGradient& take);
  /// An optimizer step with the caller's gradients.
  void apply(const std::map<std::string, at::Tensor>& gradients, std::span<const double> rates);

  /// Holds a failure back for the next call, so that the steps before it can be told of first.
  void postpone(std::exception_ptr failure) { postponed_ = std::move(failure); }
  bool failed() const { return postponed_ != nullptr; }
  void throwPostponed() {
    stepsFailed_ = false;
    if (postponed_) std::rethrow_exception(std::exchange(postponed_, nullptr));
  }

  /// ‖w − w₀‖ / ‖w₀‖ by unit, over what trains.
  std::vector<double> drift() const {
    return driftByUnit(model_->architecture(), optimizer_->groups(), weights_.start);
  }

  /// The model as it is; it is on disk once the file is committed, as with those below.
  AtomicFile stageModel(const std::string& path, const Metadata& metadata) const;
  AtomicFile stageState(const std::string& path, const Metadata& metadata);
  void loadState(const std::string& path, const std::vector<model::StoredTensor>& tensors);
  /// Copies what this session changes of the model, in the place of an earlier copy.
  void copyBest();
  /// Gives the model what copyBest() copied, and frees the copy.
  void restoreBest();
  /// The model as it was at copyBest(), whose copy is freed.
  AtomicFile stageBest(const std::string& path, const Metadata& metadata);

  struct Memory {
    std::size_t stateBytes = 0, gradientBytes = 0;
  };
  Memory memory() const;
  /// What the session comes to hold of every trainable number: its gradient, its start and the optimizer's state.
  std::size_t expectedBytes() const;

 private:
  /// Before the first change: copies of what trains, and the stepper.
  void start();
  /// Checks the batch, and says that what trains changes.
  StepInputs inputsOf(const at::Tensor& input, const Targets& targets, const BatchAddress& address);
  /// Running statistics move with a step, as weights do.
  void countChange();
  /// What copyBest() copied; ERR_INTERNAL where there is nothing.
  const WeightSet& best() const;
  TrainingState state() { return {*optimizer_, *stepper_, weights_.start, options_.lossScale.mayOverflow}; }

  std::shared_ptr<model::Network> model_;
  SessionOptions options_;
  Objective objective_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  model::Trainability trainability_;
  int frozenUnits_ = 0;
  std::vector<int> changing_;  ///< units that hold something trainable or a BatchNorm in training mode
  WeightSets weights_;
  std::unique_ptr<Stepper> stepper_;  ///< once started
  std::vector<Note> notes_;           ///< that were not taken yet
  std::int64_t skippedSteps_ = 0;     ///< likewise
  std::int64_t ownSamples_ = 0;
  std::exception_ptr postponed_;
  bool stepsFailed_ = false;  ///< whether it is of a step: a device passes over those behind it
  std::atomic<bool> released_{false};
};

}  // namespace resnet_torch::train
