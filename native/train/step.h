#pragma once

#include "core/tensor.h"

#include <functional>
#include <optional>
#include <span>

#include "model/network.h"
#include "model/trainable_suffix.h"
#include "optim/optimizer.h"
#include "train/objective.h"
#include "train/targets.h"

namespace resnet_torch::train {

struct SessionOptions;

/// What a step begins with, on its device.
struct StepInputs {
  at::Tensor input;  ///< of the units behind the frozen prefix
  Targets targets;
  std::vector<at::Tensor> dropoutMasks;
};

/// What a session's steps work with, all of it the session's.
struct StepParts {
  model::Network& model;
  const SessionOptions& options;
  const model::Trainability& trainability;
  int frozenUnits;
  const Objective& objective;
  optim::Optimizer& optimizer;
};

/// Makes optimizer steps: step.cc is how one goes, and each kind of device how its stages are done. On the executor's
/// thread.
class Stepper {
 public:
  virtual ~Stepper() = default;

  /// Rates of the steps that follow, [steps, groups], where they are taken at once.
  virtual void plan(std::span<const double> rates) = 0;
  /// One step, with a rate a group. Either it is made when this returns, or what it throws has changed nothing; or a
  /// device makes it meanwhile, and passes over what does not hold.
  void step(const StepInputs& inputs, std::span<const double> rates);
  /// Forward and backward alone; `take` gets every trainable parameter's gradient, by its name.
  using TakeGradient = std::function<void(const std::string&, const at::Tensor&)>;
  virtual StepResult gradients(const StepInputs& inputs, const TakeGradient& take) = 0;
  /// The optimizer's part alone, with gradients that the parameters hold; those without one stand still.
  virtual void apply(std::span<const double> rates) = 0;

  /// Whether a device is at steps that step() was asked for.
  virtual bool busy() const = 0;
  /// What steps came to, and was not told yet.
  struct Results {
    std::vector<StepResult> steps;  ///< in order, up to the first whose loss is not finite
    std::int64_t skipped = 0;       ///< that changed nothing
    std::exception_ptr failure;     ///< of the steps behind these
  };
  /// `all` waits for a device.
  virtual Results results(bool all) = 0;
  /// Why steps are not recorded any more, told once.
  virtual std::optional<std::string> takeRecordingFailure() { return std::nullopt; }

  /// What a continued run needs of it beside the optimizer's state: undefined, or as StepKernels::scaler().
  virtual at::Tensor scaler() const { return {}; }
  virtual void setScaler(const at::Tensor&) {}

 protected:
  using Work = std::function<void(const StepInputs&)>;

  virtual void begin(std::span<const double> rates) = 0;
  /// Does the work, or replays it.
  virtual void launch(const StepInputs& inputs, const Work& work) = 0;
  /// The gradients of the parameters, replaced; scaled where losses are.
  virtual void forwardBackward(const StepInputs& inputs) = 0;
  /// Whether the step holds is decided here.
  virtual void unscaleAndClip() = 0;
  virtual void update() = 0;
  /// BatchNorm's running statistics follow a step that holds.
  virtual void moveStatistics() = 0;
  virtual void end() = 0;
};

/// Makes the stepper for a model's device. What the parts name must outlive it.
std::unique_ptr<Stepper> makeStepper(const StepParts& parts);

/// The suffix of a model, made anew once weights were loaded.
class CurrentSuffix {
 public:
  explicit CurrentSuffix(const StepParts& parts) : parts_(parts) {}
  /// True where it was made by this call.
  bool renew();
  model::TrainableSuffix& operator*() const { return *suffix_; }
  model::TrainableSuffix* operator->() const { return suffix_.get(); }
  /// Of the model, when the suffix was made.
  std::uint64_t loads() const { return loads_; }

 private:
  const StepParts& parts_;
  std::unique_ptr<model::TrainableSuffix> suffix_;
  std::uint64_t loads_ = 0;
};

}  // namespace resnet_torch::train
