#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/cancel.h"

namespace resnet_torch {

/// Predictions go before everything else and training runs take turns, but none of them ever waits for good: work
/// that others go before has a tenth of the time.
enum class Priority { kPrediction = 0, kControl = 1, kTraining = 2 };

/// Work for the thread that owns a device, cut into units so that others get their turn.
class Job {
 public:
  enum class Progress {
    kDone,
    kMore,
    kWaiting,  ///< nothing to do until some other thread has made something ready; asked again soon
  };

  explicit Job(CancelFlagPtr cancel) : cancel_(std::move(cancel)) {}
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  /// One unit of work. Throwing ends the job through `fail`.
  virtual Progress advance() = 0;
  /// Called once at the end, on the executor's thread: after kDone, or with what was thrown.
  virtual void finish() = 0;
  virtual void fail(std::exception_ptr error) = 0;

  CancelFlag& cancelFlag() { return *cancel_; }

 private:
  CancelFlagPtr cancel_;
};

/// One thread that does all tensor work of a device, for every environment of the process. OpenMP makes a pool for
/// each thread that calls it, so a second one would only fight for the cores. The thread starts with the first job.
class Executor {
 public:
  /// The executor of a device ("cpu", "cuda:0"); made at the first call and kept until the process ends.
  static Executor& forDevice(const std::string& device);

  /// Threads that the next units of work may use. 0 leaves libtorch's choice.
  static void setThreads(int threads);

  /// A job that cannot be taken, at the end or for want of a thread, is failed at once.
  void submit(std::shared_ptr<Job> job, Priority priority);
  /// Tells a job in `kWaiting` that there may be something to do.
  void wake();
  /// Cancels all jobs and joins the thread, waiting at most `bound` for the unit that runs. Later jobs fail at once.
  void stop(std::chrono::milliseconds bound);

  /// Stops all executors, at the end of the process. Called from JavaScript's `exit` event, which comes before
  /// libtorch's static destructors, and from `atexit` for those who never got there.
  static void stopAll();
  /// For long units: throws ERR_ABORTED once stopAll() has begun.
  static void throwIfStopping();

  /// Both are called on the thread of a device's executor.
  struct Hooks {
    /// Before its first unit, and when the number of threads changes. What it throws fails the job whose turn it is,
    /// and it is called again for the next.
    std::function<void(const std::string& device, int threads)> begin;
    /// When it has had nothing to do for a while. What it throws is lost.
    std::function<void(const std::string& device)> idle;
  };
  /// Of the process: the first call, which comes before any job, counts.
  static void setHooks(Hooks hooks);
  /// Executors of devices other than the processor that have work, or had some a moment ago.
  static int devicesAtWork();

 private:
  using Clock = std::chrono::steady_clock;

  explicit Executor(std::string device) : device_(std::move(device)), onProcessor_(device_ == "cpu") {}
  void loop();
  void ensureThread();
  std::shared_ptr<Job> take(Priority& priority);
  /// Whether jobs of a level have waited out of all proportion to what they ask for.
  bool overdue(int level) const;
  void enqueue(std::shared_ptr<Job> job, int level);

  /// The hook, where it was not called yet with these threads.
  void begin(int& threads) const;
  void idle() const noexcept;

  const std::string device_;
  const bool onProcessor_;  ///< computes on the cores, whose turn it takes
  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable stopped_;
  std::deque<std::shared_ptr<Job>> queues_[3];
  /// When a level last had its turn, or its jobs began to wait, and how long its last unit took.
  struct Turn {
    Clock::time_point last{};
    Clock::duration cost{};
  } turns_[3];
  std::shared_ptr<Job> running_;
  std::thread thread_;
  bool started_ = false;
  bool stopping_ = false;
  bool finished_ = false;
  bool woken_ = false;
};

}  // namespace resnet_torch
