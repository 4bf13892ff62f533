#pragma once

#include <napi.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "core/errors.h"

namespace resnet_torch::binding {

/// Something with threads of its own (`stop()`, `join(bound)`) that a wrapped object holds: it is stopped with the
/// object, and when the environment ends, which waits a little for what the threads are in.
template <class Worker>
class HeldWorker {
 public:
  explicit HeldWorker(const char* name) : name_(name) {}
  ~HeldWorker() { letGo(); }
  HeldWorker(const HeldWorker&) = delete;
  HeldWorker& operator=(const HeldWorker&) = delete;

  void hold(napi_env env, std::shared_ptr<Worker> worker) {
    env_ = env;
    worker_ = std::move(worker);
    hooked_ = napi_add_env_cleanup_hook(env, environmentEnds, this) == napi_ok;
  }

  /// Throws ERR_DISPOSED once it was let go of.
  const std::shared_ptr<Worker>& get() const {
    if (!worker_) throw Error("ERR_DISPOSED", std::string("The ") + name_ + " was disposed of");
    return worker_;
  }

  /// At once, although the executor may still hold it: what waits for it ends with ERR_DISPOSED.
  void letGo() {
    if (hooked_) napi_remove_env_cleanup_hook(env_, environmentEnds, this);
    hooked_ = false;
    if (worker_) worker_->stop();
    worker_.reset();
  }

 private:
  static constexpr auto kTeardownBound = std::chrono::seconds(2);

  static void environmentEnds(void* held) {
    auto* self = static_cast<HeldWorker*>(held);
    self->hooked_ = false;
    self->worker_->stop();
    self->worker_->join(kTeardownBound);
  }

  const char* name_;
  napi_env env_ = nullptr;
  std::shared_ptr<Worker> worker_;
  bool hooked_ = false;
};

}  // namespace resnet_torch::binding
