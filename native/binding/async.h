#pragma once

#include <functional>
#include <memory>
#include <string>

#include "binding/environment.h"
#include "core/executor.h"
#include "core/failure.h"

namespace resnet_torch::binding {

/// A promise that any thread may settle, once. Settling after the environment's end does nothing. While it is
/// pending, the event loop stays alive.
class Pending {
 public:
  /// On the JavaScript thread. `cancel` is set when the environment ends first. The call's own object and its
  /// arguments are kept from garbage collection until the promise is settled: a loader that is collected stops its
  /// work.
  static std::shared_ptr<Pending> create(const Napi::CallbackInfo& info, CancelFlagPtr cancel);

  Napi::Value promise(Napi::Env env) const;
  void resolve(Answer answer) const;
  void reject(std::exception_ptr error) const;

 private:
  Pending() = default;
  void settle(std::function<void(Napi::Env, Environment&, Environment::Call&)> how) const;

  std::shared_ptr<Channel> channel_;
  std::uint64_t id_ = 0;
  napi_value promise_ = nullptr;  // valid in the call that created it
};

/// Runs `body` and turns C++ exceptions into JavaScript ones with a code.
template <class Body>
auto guarded(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    const auto failure = describe(std::current_exception());
    throw Napi::Error(env, Environment::of(env).makeError(env, failure.code, failure.message));
  }
}

/// One unit of a job; fills `answer` when it returns kDone.
using Unit = std::function<Job::Progress(Answer& answer)>;

/// Runs `unit` on the executor until it is done, and answers the call `info` with a promise.
Napi::Value runUnits(const Napi::CallbackInfo& info, Executor& executor, Priority priority, CancelFlagPtr cancel,
                     Unit unit);

/// Lets go of tensors on the thread that owns them, which gives their memory back to the system when it comes to
/// rest.
void releaseOn(Executor& executor, std::shared_ptr<void> held);

/// Runs `work` on the executor as one unit.
Napi::Value runOnce(const Napi::CallbackInfo& info, Executor& executor, Priority priority, CancelFlagPtr cancel,
                    std::function<Answer()> work);

}  // namespace resnet_torch::binding
