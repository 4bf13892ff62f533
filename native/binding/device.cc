#include "binding/device.h"

#include <regex>
#include <sstream>

#include "binding/arguments.h"
#include "binding/async.h"

#ifdef RESNET_TORCH_CUDA
#include "cuda/devices.h"
#endif

namespace resnet_torch::binding {

namespace {

#ifdef RESNET_TORCH_CUDA

Napi::Object describe(Napi::Env env, const cuda::DeviceInfo& device) {
  auto capability = Napi::Array::New(env, 2);
  capability.Set(0u, device.major);
  capability.Set(1u, device.minor);
  auto answer = Napi::Object::New(env);
  answer.Set("name", device.name);
  answer.Set("capability", capability);
  answer.Set("memoryBytes", static_cast<double>(device.bytes));
  return answer;
}

/// `75,80` → [[7, 5], [8, 0]].
Napi::Array capabilities(Napi::Env env, const char* list) {
  auto answer = Napi::Array::New(env);
  std::istringstream numbers(list);
  for (std::string number; std::getline(numbers, number, ',');) {
    auto capability = Napi::Array::New(env, 2);
    capability.Set(0u, std::stoi(number) / 10);
    capability.Set(1u, std::stoi(number) % 10);
    answer.Set(answer.Length(), capability);
  }
  return answer;
}

#endif

}  // namespace

at::Device toDevice(const Napi::Value& value, const std::string& name) {
  const auto text = toText(value, name);
  if (text == "cpu") return at::kCPU;
  std::smatch match;
  if (!std::regex_match(text, match, std::regex("cuda:([0-9]{1,3})"))) invalid(name, "'cpu' or 'cuda:N'");
  const int index = std::stoi(match[1]);
  if (index >= cudaDevices()) throw Error("ERR_CUDA_UNAVAILABLE", "There is no device '" + text + "'");
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

#ifdef RESNET_TORCH_CUDA

int cudaDevices() {
  return static_cast<int>(cuda::status().devices.size());
}

Napi::Value cudaStatus(const Napi::CallbackInfo& call) {
  const auto env = call.Env();
  return guarded(env, [&]() -> Napi::Value {
    const auto& status = cuda::status();
    auto devices = Napi::Array::New(env);
    for (const auto& device : status.devices) devices.Set(devices.Length(), describe(env, device));
    auto answer = Napi::Object::New(env);
    answer.Set("error", status.error);
    answer.Set("errorText", status.errorText);
    answer.Set("driver", status.driver);
    answer.Set("runtime", status.runtime);
    answer.Set("cudnn", static_cast<double>(status.cudnn));
    answer.Set("architectures", capabilities(env, RESNET_TORCH_CUDA_ARCHITECTURES));
    answer.Set("devices", devices);
    return answer;
  });
}

Napi::Value askCuda(const Napi::CallbackInfo& call) {
  return guarded(call.Env(), [&] {
    // Of no device: it may be that there is none.
    return runOnce(call, Executor::forDevice("cuda"), Priority::kControl, std::make_shared<CancelFlag>(),
                   []() -> Answer {
                     cuda::status();
                     return [](Napi::Env env) { return env.Undefined(); };
                   });
  });
}

#else

int cudaDevices() {
  return 0;
}

Napi::Value askCuda(const Napi::CallbackInfo& call) {
  return guarded(call.Env(), [&] {
    const auto pending = Pending::create(call, std::make_shared<CancelFlag>());
    pending->resolve([](Napi::Env env) { return env.Undefined(); });
    return pending->promise(call.Env());
  });
}

Napi::Value cudaStatus(const Napi::CallbackInfo& call) {
  return call.Env().Null();
}

#endif

}  // namespace resnet_torch::binding
