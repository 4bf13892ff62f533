#pragma once

#include "core/tensor.h"

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "model/trainable_suffix.h"
#include "optim/optimizer.h"
#include "train/objective.h"

namespace resnet_torch::train {

/// What losses are multiplied by, so that gradients in fp16 do not vanish: torch.amp.GradScaler's settings.
struct LossScale {
  double initial = 1;
  std::int32_t growthInterval = 0;  ///< steps without an overflow after which it grows; 0 leaves it as it is
  double growth = 2, backoff = 0.5;
  /// Whether gradients that are not finite are expected, and their steps passed over without a word.
  bool mayOverflow = false;
};

/// Records what a device is told to do, and has it done again: a CUDA graph.
class StepRecorder {
 public:
  virtual ~StepRecorder() = default;

  /// Does `work` as it will be recorded, so that what is made at first use is there.
  virtual void rehearse(const std::function<void()>& work) = 0;
  /// Records `work` in the place of what was recorded before, without doing it. Whatever the host decides in it is
  /// decided for good, and all memory that it has not made itself must stay where it is.
  virtual void record(const std::function<void()>& work) = 0;
  /// Does what was recorded.
  virtual void replay() = 0;
};

/// What a device brings for DeviceStep: the loss and the optimizer's step, on a device that works while the host goes
/// on. The rates of many steps are given to it at once, it decides by itself whether a step holds, and what steps
/// came to is read later. A step is begin(), loss(), the backward pass, prepare(), step(), whatever else depends on
/// skip(), end(). What is between begin() and end() is the same for every step of a kind, and may be recorded and
/// replayed. On the executor's thread.
class StepKernels {
 public:
  static constexpr std::int64_t kMostRows = 64;

  virtual ~StepKernels() = default;

  /// Rates of the steps that follow, [rows, groups], of at most kMostRows rows.
  virtual void plan(std::span<const double> rates) = 0;
  /// The rates of this step, one a group: those that were planned, or others.
  virtual void begin(std::span<const double> rates) = 0;
  /// The loss of logits [n, c], which is told by finished() → its gradient, scaled.
  virtual at::Tensor loss(const at::Tensor& logits, const Targets& targets) = 0;
  /// Unscales and clips the gradients, and decides from them whether the step holds, and from the loss where they
  /// come from loss().
  virtual void prepare(bool withLoss) = 0;
  /// int32 of one value, not 0 where it does not: a gradient was not finite, or the loss, or one of an earlier step
  /// that finished(true) has not told of yet. A gradient that is expected to overflow skips its own step alone.
  virtual at::Tensor skip() const = 0;
  virtual void step() = 0;
  virtual void end(bool withLoss) = 0;
  /// Whether steps are under way.
  virtual bool busy() const = 0;

  /// Of steps with a loss, in order. `all` waits for the device.
  struct Finished {
    std::vector<StepResult> results;
    std::int64_t skipped = 0;  ///< steps among them, and ones without a loss, that did not hold
  };
  virtual Finished finished(bool all) = 0;

  /// The loss by itself; the gradient is not scaled. Waits for the device.
  virtual Objective::Outcome lossAlone(const at::Tensor& logits, const Targets& targets) = 0;
  /// Looks anew where the parameters' gradients lie; those without one are passed over.
  virtual void rebind() = 0;
  /// Has step() write these with the weights that it changes.
  virtual void keepCopies(std::vector<model::WeightCopy> copies) = 0;
  virtual std::unique_ptr<StepRecorder> recorder() const = 0;
  /// What gradients are expected to be multiplied by, float32 of one value on the device.
  virtual at::Tensor scale() const = 0;
  /// The scale and the steps since it last changed, float64 [2] on the CPU: with it, a resumed run goes on as it
  /// would.
  virtual at::Tensor scaler() const = 0;
  virtual void setScaler(const at::Tensor& values) = 0;
};

/// What is decided of all steps when they begin.
struct StepSettings {
  LossSettings loss;
  LossScale scale;
  double clipNorm = 0;  ///< the most that the norm of all gradients may be; 0: any
};

/// Makes them for the parameters of a reserved optimizer, which must outlive them.
using MakeStepKernels = std::unique_ptr<StepKernels> (*)(const optim::Optimizer& optimizer,
                                                         const StepSettings& settings);
/// Null for devices whose steps the host makes.
MakeStepKernels stepKernels(at::Device device);
void setStepKernels(at::DeviceType type, MakeStepKernels make);

}  // namespace resnet_torch::train
