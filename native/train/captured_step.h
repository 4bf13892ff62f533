#pragma once

#include "core/tensor.h"

#include <optional>
#include <string>
#include <utility>

#include "train/step.h"
#include "train/step_kernels.h"

namespace resnet_torch::train {

/// Decides how each step is made. Steps are recorded once their shape has come often enough in a row, and then
/// replayed, from inputs that are copied to where the recording reads them. Any other shape, as that of the last
/// batch of an epoch, is worked on plainly meanwhile, until it has come as often itself. Where a step cannot be
/// recorded, as for lack of memory, all are made plainly from then on, which takes no more than they took before. On
/// the executor's thread.
class CapturedStep {
 public:
  using Work = std::function<void(const StepInputs&)>;
  /// Steps of a shape before it is recorded: the first makes handles, plans and buffers, and may search for
  /// algorithms.
  static constexpr int kRehearsals = 3;

  CapturedStep(std::unique_ptr<StepRecorder> recorder, Work work)
      : recorder_(std::move(recorder)), work_(std::move(work)) {}

  /// Makes a step. `network` changes with the place of anything that the work uses besides its inputs.
  void run(const StepInputs& inputs, std::uint64_t network);
  /// Why steps are not recorded any more, told once.
  std::optional<std::string> takeFailure() { return std::exchange(failure_, std::nullopt); }

 private:
  struct Shape {
    std::uint64_t network = 0;
    at::ScalarType dtype = at::kFloat;
    std::vector<std::int64_t> sizes;
    bool operator==(const Shape&) const = default;
  };

  /// Records a step and makes it. False where that cannot be, and nothing was done.
  bool recordAndReplay(const StepInputs& inputs);
  void copy(const StepInputs& inputs);
  void fill(const StepInputs& inputs);

  std::unique_ptr<StepRecorder> recorder_;  ///< null once a recording has failed
  Work work_;
  StepInputs inputs_;  ///< what the recording reads
  std::optional<Shape> recorded_;
  Shape last_;
  int inARow_ = 0;  ///< plain steps of the last shape
  std::optional<std::string> failure_;
};

}  // namespace resnet_torch::train
