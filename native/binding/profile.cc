#include "core/profile.h"

#include <memory>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/device.h"
#include "binding/registration.h"

namespace resnet_torch::binding {

namespace {

Napi::Array toArray(Napi::Env env, const std::vector<Profiled>& profile) {
  auto answer = Napi::Array::New(env, profile.size());
  for (std::uint32_t i = 0; i < profile.size(); ++i) {
    auto entry = Napi::Object::New(env);
    entry.Set("name", profile[i].name);
    entry.Set("onDevice", profile[i].onDevice);
    entry.Set("count", static_cast<double>(profile[i].count));
    entry.Set("ms", static_cast<double>(profile[i].nanoseconds) / 1e6);
    answer.Set(i, entry);
  }
  return answer;
}

/// On the thread whose operations are recorded, between two units of its work.
Napi::Value onExecutor(const Napi::CallbackInfo& info, const at::Device& device, std::function<Answer()> work) {
  return runOnce(info, Executor::forDevice(device.str()), Priority::kControl, std::make_shared<CancelFlag>(),
                 std::move(work));
}

Napi::Value start(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto device = toDevice(info[0], "device");
    return onExecutor(info, device, [device]() -> Answer {
      beginProfile(device.is_cuda());
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value stop(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return onExecutor(info, toDevice(info[0], "device"), []() -> Answer {
      const auto profile = std::make_shared<std::vector<Profiled>>(endProfile());
      return [profile](Napi::Env env) { return toArray(env, *profile); };
    });
  });
}

}  // namespace

Napi::Function defineStartProfile(Napi::Env env) {
  return Napi::Function::New(env, start, "startProfile");
}

Napi::Function defineStopProfile(Napi::Env env) {
  return Napi::Function::New(env, stop, "stopProfile");
}

}  // namespace resnet_torch::binding
