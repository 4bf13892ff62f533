#pragma once

#include "model/aten.h"

#include <atomic>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <unordered_set>
#include <utility>

#include "model/resnet50.h"
#include "model/safetensors.h"
#include "model/trainable_suffix.h"
#include "optim/optimizer.h"
#include "train/captured_step.h"
#include "train/device_step.h"

namespace resnet_torch::train {

struct SessionOptions {
  struct Group {
    std::string name;
    std::vector<std::string> parameters;
    double weightDecay = 0;
  };
  std::vector<Group> groups;
  optim::Settings optimizer;
  std::unordered_set<std::string> batchNormTraining;
  at::ScalarType compute = at::kFloat;  ///< the dtype computed in: the model's, or a narrower one
  std::uint64_t seed = 0;
  /// Autograd over the whole network instead of the compiled prefix and the suffix's written-out backward: slower,
  /// and what that is held against.
  bool autograd = false;
  LossScale lossScale;     ///< for fp16
  bool cudaGraph = false;  ///< steps are recorded and replayed, on a device that can
  /// Images of a batch that comes often enough for cuDNN to search for algorithms; 0 for none.
  std::int64_t searchedBatch = 0;
};

class StatisticsGuard;

/// What was met in training and the caller should know of: `Note` of src/notes.ts.
struct Note {
  std::string code, message;
};

/// What a batch is, apart from its pixels: where its randomness is addressed.
struct BatchAddress {
  std::uint64_t epoch = 0;
  std::vector<std::int64_t> samples;  ///< data set index of each image
};

/// Trains some parameters of a model: forward, cross-entropy, backward, one optimizer step. All methods but the
/// constructor's checks belong on the executor's thread. A model is trained by one session at a time (ERR_BUSY).
class Session {
 public:
  Session(std::shared_ptr<model::ResNet50> model, SessionOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const model::ResNet50& model() const { return *model_; }
  /// Lets another session have the model, as its end does. Nothing may be asked of this one afterwards.
  void release();
  /// The dtype computed in.
  at::ScalarType compute() const { return options_.compute; }
  std::size_t groups() const { return optimizer_->groups().size(); }

  /// Units from the input with nothing trainable and no BatchNorm in training mode: 0 to 17.
  int frozenUnits() const { return frozenUnits_; }
  /// What these units make of normalised images [n, 3, h, w], which is what the steps below begin from: the output of
  /// unit frozenUnits() − 1, pooled features [n, 2048] after all 17, the images themselves where there is none.
  at::Tensor prefix(const at::Tensor& images);
  /// ERR_SHAPE_MISMATCH where a batch of these images is not `usable()`.
  void checkImages(const at::Tensor& images) const;

  /// Says which rates the steps that follow will be given, [steps, groups], of at most 64: some devices take them at
  /// once.
  void plan(std::span<const double> rates);
  /// `input`: of prefix(); `labels`: int64 [n]. A loss that is not finite is ERR_NON_FINITE, and changes no weight.
  /// Nor is a gradient taken that is not finite: ERR_NON_FINITE too, unless losses are scaled. The CPU has made the
  /// step when this returns; a device is told of it, makes it meanwhile, and passes over what does not hold.
  void queueStep(const at::Tensor& input, const at::Tensor& labels, const BatchAddress& address,
                 std::span<const double> rates);
  /// Whether a device is at steps that were queued. The CPU has made them.
  bool busy() const { return device_ && device_->busy(); }
  /// What queued steps have come to, in order, and of which it was not told yet: `all` of them, or those that are
  /// known without waiting for a device. An error in one of them is postponed, and ends the results.
  std::vector<StepResult> takeResults(bool all);
  /// What was met since the last call.
  std::vector<Note> takeNotes() { return std::exchange(notes_, {}); }
  /// Steps among the results taken since the last call that changed nothing, since scaled gradients overflowed.
  std::int64_t takeSkippedSteps() { return std::exchange(skippedSteps_, 0); }
  /// One step whose result is waited for.
  StepResult step(const at::Tensor& input, const at::Tensor& labels, const BatchAddress& address,
                  std::span<const double> rates);
  /// Forward and backward alone; `take` gets every trainable parameter's gradient.
  StepResult gradients(const at::Tensor& input, const at::Tensor& labels, const BatchAddress& address,
                       const std::function<void(const std::string&, const at::Tensor&)>& take);
  /// Whether a batch of so many images of this side can be trained on: not an empty one, nor one that leaves
  /// BatchNorm a single value a channel.
  bool usable(std::int64_t images, std::int64_t size) const;
  /// Addresses for a batch of the caller's own, which has no data set: the session counts them.
  BatchAddress nextOwnAddress(std::int64_t images);
  /// Keeps a failure for the next call, so that the steps before it can be told of first.
  void postpone(std::exception_ptr failure) { postponed_ = std::move(failure); }
  bool failed() const { return postponed_ != nullptr; }
  void throwPostponed() {
    if (postponed_) std::rethrow_exception(std::exchange(postponed_, nullptr));
  }
  /// An optimizer step with the caller's gradients.
  void apply(const std::map<std::string, at::Tensor>& gradients, std::span<const double> rates);
  /// ‖w − w₀‖ / ‖w₀‖ by unit, over what trains.
  std::vector<double> drift();

  using Metadata = std::map<std::string, std::string>;
  /// The model as it is; it is on disk once the file is committed, as with those below.
  AtomicFile stageModel(const std::string& path, const Metadata& metadata) const;
  AtomicFile stageState(const std::string& path, const Metadata& metadata);
  void loadState(const std::string& path, const std::vector<model::StoredTensor>& tensors);

  /// Copies what this session changes of the model, in the place of an earlier copy.
  void keepWeights();
  /// Gives the model what keepWeights() copied, and lets go of the copy.
  void restoreWeights();
  /// The model as it was at keepWeights(), whose copy is let go of.
  AtomicFile stageKept(const std::string& path, const Metadata& metadata);

  struct Memory {
    std::size_t stateBytes = 0, gradientBytes = 0;
  };
  Memory memory() const;
  /// What the session comes to hold of every trainable number: its gradient, its beginning and the optimizer's state.
  std::size_t expectedBytes() const;

 private:
  StepResult backward(const at::Tensor& input, const at::Tensor& labels, const BatchAddress& address);
  /// Checks the batch, and says that what trains changes; the labels on the model's device.
  at::Tensor beginBatch(const at::Tensor& input, const at::Tensor& labels);
  model::TrainableSuffix& suffix();
  void requireFiniteGradients() const;
  /// What a device does in a step, from the network's first kernel to the last of the optimizer.
  void launchStep(const StepInputs& inputs);
  void applyOnDevice(std::span<const double> rates);
  std::vector<at::Tensor> dropoutMasks(const BatchAddress& address) const;
  /// Copies of what trains, made before the first change.
  void keepStart();
  StepResult backwardByAutograd(const at::Tensor& images, const at::Tensor& target, const BatchAddress& address);
  /// Running statistics move with a step, as weights do.
  void countChange();
  void keepStatistics(StatisticsGuard& moved);

  std::shared_ptr<model::ResNet50> model_;
  SessionOptions options_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<DeviceStep> device_;  ///< once begun, where the model's device makes its steps by itself
  std::unique_ptr<CapturedStep> captured_;
  model::Trainability trainability_;
  int frozenUnits_ = 0;
  std::vector<int> changing_;  ///< units that hold something trainable or a BatchNorm in training mode
  std::unique_ptr<model::TrainableSuffix> suffix_;
  std::uint64_t suffixLoads_ = 0;  ///< of the model, when the suffix was made
  std::map<std::string, at::Tensor> start_;
  std::map<std::string, at::Tensor> kept_;
  std::vector<StepResult> results_;  ///< that were not taken yet
  std::vector<Note> notes_;          ///< likewise
  std::int64_t skippedSteps_ = 0;    ///< likewise
  std::int64_t ownSamples_ = 0;
  std::exception_ptr postponed_;
  std::atomic<bool> released_{false};
};

}  // namespace resnet_torch::train
