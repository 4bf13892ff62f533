#include "data/threads.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "core/errors.h"
#include "data/other_formats.h"

namespace resnet_torch::data {

struct ThreadGroup::State {
  explicit State(std::function<void()> wakeThreads) : wake(std::move(wakeThreads)) {}

  std::mutex mutex;
  std::condition_variable left;
  std::atomic<bool> stopping{false};
  int running = 0;
  std::function<void()> wake;
};

namespace {

using GroupState = ThreadGroup::State;

constexpr auto kExitBound = std::chrono::seconds(3);

thread_local const GroupState* ownGroup = nullptr;

struct Registry {
  std::mutex mutex;
  std::vector<std::weak_ptr<GroupState>> groups;
};

/// Never destroyed: threads may outlast static objects.
Registry& registry() {
  static auto* instance = new Registry;
  return *instance;
}

void enroll(const std::shared_ptr<GroupState>& group) {
  static std::once_flag once;
  std::call_once(once, stopThreadsAtExit);
  auto& all = registry();
  std::lock_guard lock(all.mutex);
  std::erase_if(all.groups, [](const auto& each) { return each.expired(); });
  all.groups.push_back(group);
}

void stopGroup(GroupState& group) {
  if (!group.stopping.exchange(true)) group.wake();
}

void joinGroup(GroupState& group, std::chrono::steady_clock::time_point deadline) {
  if (ownGroup == &group) return;
  std::unique_lock lock(group.mutex);
  group.left.wait_until(lock, deadline, [&] { return group.running == 0; });
}

void stopAllThreads() {
  std::vector<std::shared_ptr<GroupState>> groups;
  {
    auto& all = registry();
    std::lock_guard lock(all.mutex);
    for (const auto& each : all.groups)
      if (auto group = each.lock()) groups.push_back(std::move(group));
  }
  for (const auto& group : groups) stopGroup(*group);
  const auto deadline = std::chrono::steady_clock::now() + kExitBound;
  for (const auto& group : groups) joinGroup(*group, deadline);
}

void runThread(std::shared_ptr<GroupState> group, std::function<void()> body) {
  ownGroup = group.get();
  body();
  body = nullptr;
  releaseVipsThread();
  std::lock_guard lock(group->mutex);
  --group->running;
  group->left.notify_all();
}

}  // namespace

void stopThreadsAtExit() {
  std::atexit(stopAllThreads);
}

ThreadGroup::ThreadGroup(std::function<void()> wake) : state_(std::make_shared<State>(std::move(wake))) {}

int ThreadGroup::start(int count, std::function<void()> body) {
  enroll(state_);
  for (int i = 0; i < count; ++i) {
    std::lock_guard lock(state_->mutex);
    try {
      std::thread(runThread, state_, body).detach();
    } catch (const std::system_error& error) {
      if (i == 0) throw Error("ERR_INTERNAL", std::string("No thread can be started: ") + error.what());
      return i;
    }
    ++state_->running;
  }
  return count;
}

bool ThreadGroup::stopping() const {
  return state_->stopping.load(std::memory_order_relaxed);
}

void ThreadGroup::stop() {
  stopGroup(*state_);
}

void ThreadGroup::join(std::chrono::milliseconds bound) {
  joinGroup(*state_, std::chrono::steady_clock::now() + bound);
}

}  // namespace resnet_torch::data
