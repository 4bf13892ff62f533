#pragma once

#include <ATen/ATen.h>

#include <deque>

#include "cuda/losses.h"
#include "cuda/optimizer.h"
#include "cuda/stream.h"
#include "train/step_kernels.h"

namespace resnet_torch::cuda {

/// train::StepKernels over the kernels of losses.h and optimizer.h: rates, state and results lie in device memory,
/// and nothing waits but finished(true) and lossAlone().
class TrainingStep final : public train::StepKernels {
 public:
  TrainingStep(const optim::Optimizer& optimizer, const train::StepSettings& settings);

  void plan(std::span<const double> rates) override;
  void begin(std::span<const double> rates) override;
  at::Tensor loss(const at::Tensor& logits, const train::Targets& targets) override;
  void prepare(bool withLoss) override;
  at::Tensor skip() const override;
  void step() override;
  bool busy() const override;
  void end(bool withLoss) override;
  Finished finished(bool all) override;
  train::Objective::Outcome lossAlone(const at::Tensor& logits, const train::Targets& targets) override;
  void rebind() override;
  void keepCopies(std::vector<model::WeightCopy> copies) override;
  std::unique_ptr<train::StepRecorder> recorder() const override;
  at::Tensor scale() const override;
  at::Tensor scaler() const override;
  void setScaler(const at::Tensor& values) override;

 private:
  /// Results on their way to the host.
  struct Reading {
    at::Tensor results, state;
    std::unique_ptr<Mark> mark;
    std::vector<bool> withLoss;
  };

  at::Tensor steadySteps() const;
  StepState* state() const { return static_cast<StepState*>(state_.mutable_data_ptr()); }
  /// The loss of a batch, to its row of the step's results or to the first of others; its gradient.
  at::Tensor launchLoss(const at::Tensor& logits, const train::Targets& targets, const at::Tensor& results,
                        bool inRow) const;
  /// Starts to read the results of the steps since the last reading.
  void read();
  OptimizerTable table() const;

  const optim::Optimizer& optimizer_;
  OptimizerSettings settings_;
  LossLauncher loss_;
  at::Device device_;
  std::size_t groups_;
  /// In device memory: the state's words, [kRateRows, groups] rates, [kRateRows, 4] words of results, the tables.
  at::Tensor state_, rates_, results_, tensors_, chunks_, factors_, parts_;
  int tensorCount_ = 0, chunkCount_ = 0;
  std::vector<model::WeightCopy> copies_;
  std::vector<double> planned_;
  std::size_t row_ = 0;       ///< of the step that comes next
  std::size_t unread_ = 0;    ///< the first row whose result no reading has
  std::vector<bool> losses_;  ///< of rows since then: whether there was a loss
  std::deque<Reading> readings_;
  std::deque<std::unique_ptr<Mark>> underWay_;  ///< the ends of the last steps
  std::int32_t skipped_ = 0;                    ///< that were told of
  bool broken_ = false;                         ///< StepState::broken, as it was read last
};

std::unique_ptr<train::StepKernels> makeTrainingStep(const optim::Optimizer& optimizer,
                                                     const train::StepSettings& settings);

}  // namespace resnet_torch::cuda
