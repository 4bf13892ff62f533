#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace resnet_torch::data {

/// Background threads that can be told to stop, and that are gone before the process's static objects are: at exit
/// all groups are stopped and waited for.
class ThreadGroup {
 public:
  /// `wake` is called when the group is told to stop, from any thread: it makes sleeping threads look.
  explicit ThreadGroup(std::function<void()> wake);

  /// Starts `count` threads, each running `body` once; what `body` holds lives as long as its thread. Answers how
  /// many there are: fewer, but at least one, where the system has no more to give.
  int start(int count, std::function<void()> body);
  bool stopping() const;
  /// Tells the threads to leave. Does not wait.
  void stop();
  /// Waits until all have left, at most so long. A thread of the group itself does not wait.
  void join(std::chrono::milliseconds bound);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

/// Registers the stopping of all groups with the process's exit. A later registration runs earlier: called again
/// after a library was opened that cleans up at exit while threads may still use it.
void stopThreadsAtExit();

}  // namespace resnet_torch::data
