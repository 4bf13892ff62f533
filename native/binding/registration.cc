#include "binding/registration.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#if __has_include(<torch/headeronly/version.h>)
#include <torch/headeronly/version.h>
#else
#include <torch/version.h>
#endif

#include <mutex>
#include <string>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/device.h"
#include "binding/vips_path.h"
#include "core/cpu.h"
#include "core/executor.h"
#include "core/memory.h"

#ifdef RESNET_TORCH_CUDA
#include "cuda/memory.h"
#include "cuda/registration.h"
#endif

// Exported by libtorch with C linkage, so that any version can be asked.
extern "C" std::uint64_t aoti_torch_abi_version();

namespace resnet_torch::binding {

namespace {

/// The version of the libtorch that was met at run time, which need not be the one whose headers were compiled.
std::string runtimeLibtorch() {
  const std::uint64_t version = aoti_torch_abi_version();
  const auto part = [&](int shift) { return std::to_string((version >> shift) & 0xff); };
  return part(56) + "." + part(48) + "." + part(40);
}

/// Touches nothing of libtorch but its version: what was compiled for another one must not go further.
Napi::Value libtorchVersions(const Napi::CallbackInfo& call) {
  const auto env = call.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto answer = Napi::Object::New(env);
    answer.Set("compiled", TORCH_VERSION);
    answer.Set("runtime", runtimeLibtorch());
    return answer;
  });
}

/// A device's executor turns to its device before all else, so that nothing which it calls makes a context on
/// another.
void beginOn([[maybe_unused]] const std::string& device, int threads) {
#ifdef RESNET_TORCH_CUDA
  if (device.starts_with("cuda:")) cuda::useDevice(at::Device(device));
#endif
  if (threads > 0) at::set_num_threads(threads);
}

/// What devices keep is given back all at once, so not while one of them is at work: it would have to be allocated
/// anew.
void giveBack([[maybe_unused]] const std::string& device) {
  releaseKeptMemory();
#ifdef RESNET_TORCH_CUDA
  if (device.starts_with("cuda:") && Executor::devicesAtWork() == 0) cuda::releaseDeviceMemory();
#endif
}

/// What the whole process shares, set by the environment that comes first: the executor of an earlier one may be
/// reading it when another is loaded.
void setUpProcess() {
  installPagesAllocator();
  // Where NNPACK cannot run it says so on standard error; convolutions are left to oneDNN everywhere.
  at::globalContext().setUserEnabledNNPACK(false);
#ifdef RESNET_TORCH_CUDA
  cuda::registerKernels();
#endif
  Executor::setHooks({beginOn, giveBack});
}

Napi::Value initialize(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto options = toObject(info[0], "options");
    if (!options.Get("errorClass").IsFunction()) invalid("errorClass", "a class");
    Environment::of(env).setErrorClass(options.Get("errorClass").As<Napi::Function>());
    if (!options.Get("vips").IsNull()) setVipsLibrary(toText(options.Get("vips"), "vips"));
    static std::once_flag once;
    std::call_once(once, setUpProcess);
    return env.Undefined();
  });
}

Napi::Value info(const Napi::CallbackInfo& call) {
  const auto env = call.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto answer = Napi::Object::New(env);
    answer.Set("compiledLibtorch", TORCH_VERSION);
    answer.Set("runtimeLibtorch", runtimeLibtorch());
    answer.Set("variant", RESNET_TORCH_VARIANT);
    answer.Set("fastBf16", hasFastBf16());
    answer.Set("threads", at::get_num_threads());
    answer.Set("cores", usableCores());
    answer.Set("cudaDevices", cudaDevices());
    return answer;
  });
}

Napi::Value setThreads(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    Executor::setThreads(static_cast<int>(toInteger(info[0], "threads", 1, 4096)));
    return env.Undefined();
  });
}

Napi::Value shutdown(const Napi::CallbackInfo& info) {
  Executor::stopAll();
  return info.Env().Undefined();
}

}  // namespace

Napi::Object registerAll(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment(env));
  exports.Set("libtorchVersions", Napi::Function::New(env, libtorchVersions, "libtorchVersions"));
  exports.Set("initialize", Napi::Function::New(env, initialize, "initialize"));
  exports.Set("info", Napi::Function::New(env, info, "info"));
  exports.Set("cudaStatus", Napi::Function::New(env, cudaStatus, "cudaStatus"));
  exports.Set("askCuda", Napi::Function::New(env, askCuda, "askCuda"));
  exports.Set("setThreads", Napi::Function::New(env, setThreads, "setThreads"));
  exports.Set("shutdown", Napi::Function::New(env, shutdown, "shutdown"));
  exports.Set("CancelToken", defineCancelToken(env));
  exports.Set("Model", defineModel(env));
  exports.Set("Session", defineSession(env));
  exports.Set("FileList", defineFileList(env));
  exports.Set("FeatureCache", defineFeatureCache(env));
  exports.Set("ImageCache", defineImageCache(env));
  exports.Set("Loader", defineLoader(env));
  exports.Set("Predictor", definePredictor(env));
  exports.Set("scanImages", defineScanImages(env));
  exports.Set("tryLock", defineTryLock(env));
  exports.Set("startProfile", defineStartProfile(env));
  exports.Set("stopProfile", defineStopProfile(env));
  return exports;
}

}  // namespace resnet_torch::binding
