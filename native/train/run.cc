#include "train/run.h"

namespace resnet_torch::train {

namespace {

double millisecondsBetween(std::chrono::steady_clock::time_point start, std::chrono::steady_clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - start).count();
}

}  // namespace

Job::Progress ChunkRun::advance(const CancelFlag& stop) {
  auto& session = *parts_.session;
  session.throwPostponed();
  if (stop.cancelled()) return Job::Progress::kDone;
  auto next = nextBatch(*parts_.loader, parts_.executor, *parts_.feed);
  const auto now = Clock::now();
  countWaiting(now);
  if (next.waiting) {
    waitingSince_ = now;
    return Job::Progress::kWaiting;
  }
  if (!next.batch) {
    chunk_.exhausted = true;
    return Job::Progress::kDone;
  }
  auto& batch = *next.batch;
  chunk_.failures.insert(chunk_.failures.end(), batch.failures.begin(), batch.failures.end());
  const std::size_t row = chunk_.losses.size();
  if (row == 0) session.plan(rates_);
  const bool usable = session.usable(batch.count, batch.size);
  if (usable && !queueStep(batch, row)) return Job::Progress::kDone;
  chunk_.losses.push_back(0);
  chunk_.images.push_back(usable ? static_cast<std::int32_t>(batch.count) : 0);
  chunk_.correct.push_back(0);
  takeResults(/*all=*/false);
  chunk_.stepMs += millisecondsBetween(now, Clock::now());
  chunk_.exhausted = parts_.loader->exhausted();
  const bool full = chunk_.losses.size() * session.groups() == rates_.size();
  return chunk_.exhausted || session.failed() || full ? Job::Progress::kDone : Job::Progress::kMore;
}

bool ChunkRun::queueStep(data::Batch& batch, std::size_t row) {
  auto& session = *parts_.session;
  const std::span<const double> rates(rates_.data() + row * session.groups(), session.groups());
  try {
    const auto prefix = [&](const at::Tensor& images) { return session.prefix(images); };
    const auto input =
        prefixOutput(session.model(), batch, session.frozenUnits(), session.compute(), prefix, *parts_.feed);
    session.queueStep(input, batchTargets(session.model(), batch), batchAddress(batch), rates);
  } catch (...) {
    if (row == 0) throw;
    session.postpone(std::current_exception());
    return false;
  }
  queued_.push_back(row);
  return true;
}

Chunk ChunkRun::finish() {
  auto& session = *parts_.session;
  const auto start = Clock::now();
  takeResults(/*all=*/true);
  chunk_.stepMs += millisecondsBetween(start, Clock::now());
  chunk_.skippedSteps = session.takeSkippedSteps();
  chunk_.notes = session.takeNotes();
  if (session.failed()) chunk_.exhausted = false;
  if (queued_.empty()) return std::move(chunk_);
  const auto good = queued_.front();
  queued_.clear();
  if (good == 0) session.throwPostponed();
  chunk_.losses.resize(good);
  chunk_.images.resize(good);
  chunk_.correct.resize(good);
  return std::move(chunk_);
}

void ChunkRun::countWaiting(Clock::time_point now) {
  if (waitingSince_ == Clock::time_point{}) return;
  (parts_.session->busy() ? chunk_.stepMs : chunk_.waitMs) += millisecondsBetween(waitingSince_, now);
  waitingSince_ = {};
}

void ChunkRun::takeResults(bool all) {
  for (const auto& result : parts_.session->takeResults(all)) {
    const auto row = queued_.front();
    queued_.pop_front();
    chunk_.losses[row] = result.loss;
    chunk_.correct[row] = static_cast<std::int32_t>(result.correct);
  }
}

}  // namespace resnet_torch::train
