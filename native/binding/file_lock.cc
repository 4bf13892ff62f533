#include "core/file_lock.h"

#include <cstdint>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/registration.h"

namespace resnet_torch::binding {

namespace {

Napi::Value lock(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    switch (tryLock(static_cast<int>(toInteger(info[0], "descriptor", 0, INT32_MAX)))) {
      case Lock::kTaken:
        return Napi::String::New(env, "taken");
      case Lock::kHeld:
        return Napi::String::New(env, "held");
      case Lock::kUnsupported:
        break;
    }
    return Napi::String::New(env, "unsupported");
  });
}

}  // namespace

Napi::Function defineTryLock(Napi::Env env) {
  return Napi::Function::New(env, lock, "tryLock");
}

}  // namespace resnet_torch::binding
