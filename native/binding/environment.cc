#include "binding/environment.h"

#include "binding/path_text.h"

namespace resnet_torch::binding {

void Channel::post(std::function<void(Napi::Env)> task) {
  auto* boxed = new std::function<void(Napi::Env)>(std::move(task));
  std::lock_guard lock(mutex_);
  if (!function_ || napi_call_threadsafe_function(function_, boxed, napi_tsfn_nonblocking) != napi_ok) delete boxed;
}

void Channel::call(napi_env env, napi_value, void*, void* data) {
  std::unique_ptr<std::function<void(Napi::Env)>> task(static_cast<std::function<void(Napi::Env)>*>(data));
  if (!env) return;  // the environment is being torn down
  Napi::HandleScope scope(env);
  try {
    (*task)(env);
  } catch (const Napi::Error&) {
    // JavaScript cannot run any more: its thread is being terminated, and nobody waits for the answer.
  }
}

Environment::Environment(Napi::Env env) : env_(env), channel_(std::make_shared<Channel>()) {
  napi_value name = Napi::String::New(env, "resnet-torch");
  napi_threadsafe_function function = nullptr;
  // The channel's own reference keeps it alive until Node has finalised the function.
  auto* held = new std::shared_ptr<Channel>(channel_);
  const auto finalize = [](napi_env, void* data, void*) {
    std::unique_ptr<std::shared_ptr<Channel>> channel(static_cast<std::shared_ptr<Channel>*>(data));
    std::lock_guard lock((*channel)->mutex_);
    (*channel)->function_ = nullptr;
  };
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, held, finalize, nullptr, Channel::call,
                                      &function) != napi_ok) {
    delete held;
    throw Napi::Error::New(env, "resnet-torch could not create its channel to the JavaScript thread");
  }
  napi_unref_threadsafe_function(env, function);
  channel_->function_ = function;
  env.AddCleanupHook([](Environment* self) { self->close(); }, this);
}

Environment::~Environment() {
  close();
}

/// The environment ends: work that it asked for is cancelled, and what that work still answers goes nowhere.
void Environment::close() {
  for (auto& [id, call] : calls_) call.cancel->cancel();
  std::lock_guard lock(channel_->mutex_);
  channel_->function_ = nullptr;
}

void Environment::keepLoopAlive(bool alive) {
  std::lock_guard lock(channel_->mutex_);
  if (!channel_->function_) return;
  if (alive) {
    napi_ref_threadsafe_function(env_, channel_->function_);
  } else {
    napi_unref_threadsafe_function(env_, channel_->function_);
  }
}

Environment& Environment::of(Napi::Env env) {
  return *env.GetInstanceData<Environment>();
}

void Environment::setErrorClass(Napi::Function errorClass) {
  errorClass_ = Napi::Persistent(errorClass);
}

Napi::Value Environment::makeError(Napi::Env env, const std::string& code, const std::string& message) const {
  if (errorClass_.IsEmpty()) {
    auto error = Napi::Error::New(env, message);
    error.Value().Set("code", code);
    return error.Value();
  }
  return errorClass_.New({Napi::String::New(env, code), pathText(env, message)});
}

void Environment::keepConstructor(const std::string& name, Napi::Function constructor) {
  constructors_[name] = Napi::Persistent(constructor);
}

bool Environment::isInstance(const Napi::Value& value, const std::string& name) const {
  const auto found = constructors_.find(name);
  return found != constructors_.end() && value.IsObject() &&
         value.As<Napi::Object>().InstanceOf(found->second.Value());
}

Napi::Value Environment::construct(const std::string& name, const std::vector<napi_value>& arguments) const {
  return constructors_.at(name).New(arguments);
}

}  // namespace resnet_torch::binding
