#include "core/executor.h"

#include <atomic>
#include <cstdlib>
#include <map>
#include <optional>
#include <system_error>

#include "core/cores_turn.h"
#include "core/pages.h"

namespace resnet_torch {

namespace {

constexpr auto kWaitSlice = std::chrono::milliseconds(20);
/// Jobs wait at most so many times as long as their last unit took, whatever goes before them.
constexpr int kPatience = 9;
constexpr auto kIdleAfter = std::chrono::milliseconds(500);
constexpr auto kExitBound = std::chrono::milliseconds(10000);

std::atomic<int> requestedThreads{0};
std::atomic<bool> stoppingAll{false};
/// Set once, before the first job is submitted; never taken back.
Executor::Hooks hooks;
std::once_flag hooksSet;
std::atomic<int> atWork{0};

struct Registry {
  std::mutex mutex;
  std::map<std::string, Executor*> executors;
};

/// Never destroyed: threads of other environments may still look at it while the process exits.
Registry& registry() {
  static auto* instance = new Registry;
  return *instance;
}

void failQuietly(Job& job, std::exception_ptr error) noexcept {
  try {
    job.fail(std::move(error));
  } catch (...) {
    // The environment that asked is gone; there is nobody to tell.
  }
}

}  // namespace

Executor& Executor::forDevice(const std::string& device) {
  auto& all = registry();
  std::lock_guard lock(all.mutex);
  auto& slot = all.executors[device];
  if (!slot) slot = new Executor(device);
  return *slot;
}

void Executor::stopAll() {
  stoppingAll.store(true);
  auto& all = registry();
  std::lock_guard lock(all.mutex);
  for (auto& [device, executor] : all.executors) executor->stop(kExitBound);
}

void Executor::throwIfStopping() {
  if (stoppingAll.load(std::memory_order_relaxed)) throw abortedError();
}

void Executor::setThreads(int threads) {
  requestedThreads.store(threads);
}

void Executor::setHooks(Hooks given) {
  std::call_once(hooksSet, [&] { hooks = std::move(given); });
}

int Executor::devicesAtWork() {
  return atWork.load();
}

void Executor::begin(int& threads) const {
  const int wanted = requestedThreads.load();
  if (wanted == threads) return;
  if (hooks.begin) hooks.begin(device_, wanted);
  threads = wanted;
}

void Executor::idle() const noexcept {
  if (!onProcessor_) --atWork;
  try {
    if (hooks.idle) hooks.idle(device_);
  } catch (...) {
    // Memory that cannot be given back now can be later.
  }
}

void Executor::submit(std::shared_ptr<Job> job, Priority priority) {
  std::exception_ptr refused;
  {
    std::lock_guard lock(mutex_);
    try {
      if (stopping_) throw abortedError();
      ensureThread();
      enqueue(job, static_cast<int>(priority));
    } catch (...) {
      refused = std::current_exception();
    }
  }
  if (refused) return failQuietly(*job, refused);
  changed_.notify_one();
}

void Executor::ensureThread() {
  if (started_) return;
  try {
    thread_ = std::thread([this] { loop(); });
  } catch (const std::system_error& error) {
    throw Error("ERR_INTERNAL", std::string("No thread can be started: ") + error.what());
  }
  started_ = true;
}

void Executor::wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

std::shared_ptr<Job> Executor::take(Priority& priority) {
  int level = 0;
  while (level < 2 && queues_[level].empty()) ++level;
  for (int behind = level + 1; behind < 3; ++behind) {
    if (!overdue(behind)) continue;
    level = behind;
    break;
  }
  auto& queue = queues_[level];
  auto job = std::move(queue.front());
  queue.pop_front();
  priority = static_cast<Priority>(level);
  return job;
}

bool Executor::overdue(int level) const {
  const auto& [last, cost] = turns_[level];
  return !queues_[level].empty() && Clock::now() - last > kPatience * cost;
}

void Executor::enqueue(std::shared_ptr<Job> job, int level) {
  if (queues_[level].empty()) turns_[level].last = Clock::now();
  queues_[level].push_back(std::move(job));
}

void Executor::loop() {
  int threads = -1;
  bool idled = true;
  std::optional<Pages::Keeping> keeping;  // while there is work, and some time after
  bool backstop = false;
  std::size_t waitingInARow = 0;
  for (;;) {
    std::shared_ptr<Job> job;
    Priority priority{};
    {
      std::unique_lock lock(mutex_);
      const auto anything = [&] {
        return stopping_ || !queues_[0].empty() || !queues_[1].empty() || !queues_[2].empty();
      };
      const std::size_t queued = queues_[0].size() + queues_[1].size() + queues_[2].size();
      if (queued > 0 && waitingInARow >= queued && !woken_ && !stopping_) {
        // Every job waits for some other thread: sleep until one of those reports, a job arrives, or a slice is over.
        if (onProcessor_) CoresTurn::give();
        changed_.wait_for(lock, kWaitSlice, [&] {
          return woken_ || stopping_ || queues_[0].size() + queues_[1].size() + queues_[2].size() != queued;
        });
        waitingInARow = 0;
      }
      woken_ = false;
      if (onProcessor_ && !anything()) CoresTurn::give();
      while (!anything()) {
        if (idled) {
          changed_.wait(lock);
        } else if (!changed_.wait_for(lock, kIdleAfter, anything)) {
          lock.unlock();
          keeping.reset();
          idle();
          lock.lock();
          idled = true;
        }
      }
      if (stopping_) break;
      job = take(priority);
      running_ = job;
    }
    if (idled && !onProcessor_) ++atWork;
    if (!keeping) keeping.emplace();
    idled = false;

    if (onProcessor_) CoresTurn::take();
    const auto started = Clock::now();
    auto progress = Job::Progress::kDone;
    try {
      begin(threads);
      job->cancelFlag().throwIfCancelled();
      progress = job->advance();
      if (progress == Job::Progress::kDone) job->finish();
    } catch (...) {
      progress = Job::Progress::kDone;
      failQuietly(*job, std::current_exception());
    }
    if (!backstop) {
      // Registered after a first unit: exit handlers run in reverse, and libtorch makes its caches with its first
      // work.
      std::atexit(stopAll);
      backstop = true;
    }
    waitingInARow = progress == Job::Progress::kWaiting ? waitingInARow + 1 : 0;

    std::lock_guard lock(mutex_);
    running_.reset();
    auto& turn = turns_[static_cast<int>(priority)];
    turn.last = Clock::now();
    if (progress != Job::Progress::kWaiting) turn.cost = turn.last - started;
    // To the back: runs of equal priority take turns, a unit each.
    if (progress != Job::Progress::kDone) enqueue(std::move(job), static_cast<int>(priority));
  }

  if (onProcessor_) CoresTurn::give();
  std::deque<std::shared_ptr<Job>> abandoned;
  {
    std::lock_guard lock(mutex_);
    for (auto& queue : queues_) {
      abandoned.insert(abandoned.end(), queue.begin(), queue.end());
      queue.clear();
    }
  }
  for (auto& job : abandoned) failQuietly(*job, std::make_exception_ptr(abortedError()));
  std::lock_guard lock(mutex_);
  finished_ = true;
  stopped_.notify_all();
}

void Executor::stop(std::chrono::milliseconds bound) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  if (running_) running_->cancelFlag().cancel();
  if (!started_) return;
  changed_.notify_all();
  const bool ended = stopped_.wait_for(lock, bound, [&] { return finished_; });
  if (!thread_.joinable()) return;
  if (ended) {
    lock.unlock();
    thread_.join();
  } else {
    // A unit that does not come to its end within the bound is left to die with the process.
    thread_.detach();
  }
}

}  // namespace resnet_torch
