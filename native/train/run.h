#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <vector>

#include "core/cancel.h"
#include "core/executor.h"
#include "data/loader.h"
#include "train/pipeline.h"
#include "train/session.h"

namespace resnet_torch::train {

/// What a chunk of steps has come to; a row a step.
struct Chunk {
  std::vector<double> losses;
  std::vector<std::int32_t> images, correct;
  std::vector<data::ImageFailure> failures;
  std::vector<Note> notes;
  std::int64_t skippedSteps = 0;
  bool exhausted = false;
  double waitMs = 0, stepMs = 0;
};

/// A chunk of steps on a loader's batches, cut into units of an executor so that others get their turn between two
/// steps. On the executor's thread.
class ChunkRun {
 public:
  static constexpr std::size_t kMostRows = 64;

  struct Parts {
    std::shared_ptr<Session> session;
    std::shared_ptr<data::Loader> loader;
    std::shared_ptr<Feed> feed;
    Executor& executor;
  };
  /// `rates`: a row a step, [1 to 64, groups]. A batch takes a row, an empty one too.
  ChunkRun(Parts parts, std::vector<double> rates) : parts_(std::move(parts)), rates_(std::move(rates)) {}

  /// Throws what the chunk before has left; takes the next batch, and its step, unless it is told to stop.
  Job::Progress advance(const CancelFlag& stop);
  /// Waits for the results of all steps, and answers the chunk. Those from the first on that failed are not told of:
  /// its error is thrown where there is none before it, and else by the next chunk, which the caller is made to ask
  /// for.
  Chunk finish();

 private:
  using Clock = std::chrono::steady_clock;

  /// Enters the time since the loader had nothing: waited for data, or, where a device was at steps all the while,
  /// theirs.
  void countWaiting(Clock::time_point now);
  /// Queues the step of a batch; false where it failed and steps before it are to be told of first.
  bool queueStep(data::Batch& batch, std::size_t row);
  /// Enters what is known of the queued steps.
  void takeResults(bool all);

  Parts parts_;
  std::vector<double> rates_;
  Chunk chunk_;
  std::deque<std::size_t> queued_;  ///< rows whose results are not known yet
  Clock::time_point waitingSince_{};
};

}  // namespace resnet_torch::train
