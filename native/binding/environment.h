#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/cancel.h"

namespace resnet_torch::binding {

/// Makes the value that a promise resolves to; runs on the JavaScript thread.
using Answer = std::function<Napi::Value(Napi::Env)>;

/// The way from any thread to the JavaScript thread of one environment. Outlives the environment: what is posted
/// after its end is dropped.
class Channel {
 public:
  void post(std::function<void(Napi::Env)> task);

 private:
  friend class Environment;
  static void call(napi_env env, napi_value, void* context, void* data);

  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;  // null once the environment has ended
};

/// All state of one environment (the main thread or a worker thread). There is none per process.
class Environment {
 public:
  explicit Environment(Napi::Env env);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  static Environment& of(Napi::Env env);

  /// The `ResnetTorchError` class of this environment's JavaScript.
  void setErrorClass(Napi::Function errorClass);
  Napi::Value makeError(Napi::Env env, const std::string& code, const std::string& message) const;

  /// References to the constructors of wrapped classes, by class name, for `instanceof`.
  void keepConstructor(const std::string& name, Napi::Function constructor);
  bool isInstance(const Napi::Value& value, const std::string& name) const;
  Napi::Value construct(const std::string& name, const std::vector<napi_value>& arguments) const;

  const std::shared_ptr<Channel>& channel() const { return channel_; }

 private:
  friend class Pending;
  struct Call {
    napi_deferred deferred;
    Napi::ObjectReference callSite;
    Napi::ObjectReference held;
    CancelFlagPtr cancel;
  };

  /// Whether the event loop waits for this environment's calls.
  void keepLoopAlive(bool alive);
  void close();

  Napi::Env env_;
  std::shared_ptr<Channel> channel_;
  Napi::FunctionReference errorClass_;
  std::map<std::string, Napi::FunctionReference> constructors_;
  std::map<std::uint64_t, Call> calls_;
  std::uint64_t nextCall_ = 1;
};

}  // namespace resnet_torch::binding
