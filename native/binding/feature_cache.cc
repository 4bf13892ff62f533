#include "binding/feature_cache.h"

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/registration.h"
#include "data/threads.h"
#include "model/architecture.h"

namespace resnet_torch::binding {

namespace {

using data::FeatureCache;
using Mode = data::FeatureCacheOptions::Mode;

constexpr const char* kName = "FeatureCache";
constexpr std::int64_t kMostEntryBytes = INT64_C(1) << 32;

data::FeatureCacheOptions toOptions(const Napi::Object& object) {
  data::FeatureCacheOptions options;
  const auto mode = toText(object.Get("mode"), "mode");
  if (mode != "memory" && mode != "disk") invalid("mode", "'memory' or 'disk'");
  options.mode = mode == "disk" ? Mode::kDisk : Mode::kMemory;
  options.entryBytes =
      static_cast<std::size_t>(toInteger(object.Get("entryBytes"), "entryBytes", 1, kMostEntryBytes));
  options.units = static_cast<int>(toInteger(object.Get("units"), "units", 1, model::mostBackboneUnits()));
  if (options.mode == Mode::kDisk) {
    options.directory = toText(object.Get("directory"), "directory");
    options.storeKey = toText(object.Get("storeKey"), "storeKey");
    if (options.directory.empty()) invalid("directory", "a path");
  } else {
    options.memoryLimit =
        static_cast<std::uint64_t>(toInteger(object.Get("memoryLimit"), "memoryLimit", 0, kSafeInteger));
  }
  return options;
}

/// Does what may wait for a disk on a thread of its own, and answers the call with a promise of nothing.
Napi::Value inBackground(const Napi::CallbackInfo& info, std::function<void()> work) {
  const std::shared_ptr<Pending> pending = Pending::create(info, std::make_shared<CancelFlag>());
  const Napi::Value promise = pending->promise(info.Env());
  try {
    data::ThreadGroup([] {}).start(1, [pending, work = std::move(work)] {
      try {
        work();
        pending->resolve([](Napi::Env env) { return env.Undefined(); });
      } catch (...) {
        pending->reject(std::current_exception());
      }
    });
  } catch (...) {
    pending->reject(std::current_exception());
  }
  return promise;
}

/// Giving gigabytes back to the system takes a while.
void releaseElsewhere(std::shared_ptr<FeatureCache> cache) {
  // Held once, so that the thread's is the last reference.
  const auto held = std::make_shared<std::shared_ptr<FeatureCache>>(std::move(cache));
  try {
    data::ThreadGroup([] {}).start(1, [held] { held->reset(); });
  } catch (const Error&) {
    held->reset();
  }
}

class FeatureCacheWrap final : public Napi::ObjectWrap<FeatureCacheWrap> {
 public:
  explicit FeatureCacheWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FeatureCacheWrap>(info) {
    guarded(info.Env(), [&] { cache_ = std::make_shared<FeatureCache>(toOptions(toObject(info[0], "options"))); });
  }

  void Finalize(Napi::Env env) override { letGo(env); }

  const std::shared_ptr<FeatureCache>& cache() const {
    if (!cache_) throw Error("ERR_DISPOSED", "The feature cache was disposed of");
    return cache_;
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, kName,
        {InstanceMethod<&FeatureCacheWrap::open>("open"), InstanceMethod<&FeatureCacheWrap::stats>("stats"),
         InstanceMethod<&FeatureCacheWrap::close>("close"), InstanceMethod<&FeatureCacheWrap::dispose>("dispose")});
  }

 private:
  Napi::Value open(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return inBackground(info, [cache = cache()] { cache->open(); }); });
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return inBackground(info, [cache = cache()] { cache->close(); }); });
  }

  Napi::Value stats(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
      const auto stats = cache()->stats();
      if (cache()->mode() == Mode::kMemory) report(env, static_cast<std::int64_t>(stats.hostBytes));
      auto object = Napi::Object::New(env);
      object.Set("hits", static_cast<double>(stats.served));
      object.Set("misses", static_cast<double>(stats.computed));
      object.Set("entries", static_cast<double>(stats.entries));
      object.Set("bytes", static_cast<double>(stats.bytes));
      object.Set("damaged", static_cast<double>(stats.damaged));
      object.Set("stopped", stats.stopped.empty() ? env.Null() : Napi::String::New(env, stats.stopped));
      return object;
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    letGo(info.Env());
    return info.Env().Undefined();
  }

  /// The cache grows on other threads, which cannot tell V8: it hears of it when it asks.
  void report(Napi::Env env, std::int64_t bytes) {
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes - reported_);
    reported_ = bytes;
  }

  void letGo(Napi::Env env) {
    if (!cache_) return;
    releaseElsewhere(std::move(cache_));
    report(env, 0);
  }

  std::shared_ptr<FeatureCache> cache_;
  std::int64_t reported_ = 0;
};

}  // namespace

Napi::Function defineFeatureCache(Napi::Env env) {
  const auto constructor = FeatureCacheWrap::define(env);
  Environment::of(env).keepConstructor(kName, constructor);
  return constructor;
}

std::shared_ptr<FeatureCache> toFeatureCache(const Napi::Value& value) {
  if (value.IsNull()) return nullptr;
  if (!Environment::of(value.Env()).isInstance(value, kName)) invalid("cache", "a FeatureCache or null");
  return FeatureCacheWrap::Unwrap(value.As<Napi::Object>())->cache();
}

}  // namespace resnet_torch::binding
