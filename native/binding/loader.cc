#include "binding/loader.h"

#include <cstring>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/device.h"
#include "binding/feature_cache.h"
#include "binding/file_list.h"
#include "binding/image_cache.h"
#include "binding/path_text.h"
#include "binding/registration.h"
#include "binding/view.h"
#include "binding/worker.h"
#include "data/normalise.h"
#include "train/device_feed.h"

namespace resnet_torch::binding {

namespace {

constexpr const char* kName = "Loader";
constexpr std::int64_t kMostImages = INT64_C(1) << 31;  // indices are int32

data::LoaderOptions toOptions(const Napi::Object& object) {
  const auto integer = [&](const char* name, std::int64_t low, std::int64_t high) {
    return toInteger(object.Get(name), name, low, high);
  };
  data::LoaderOptions options;
  options.files = toFileList(object.Get("files"));
  options.view = toView(object);
  options.batchSize = integer("batchSize", 1, kMostImages);
  options.shuffle = toBoolean(object.Get("shuffle"), "shuffle");
  options.mergeLastSingle = toBoolean(object.Get("mergeLastSingle"), "mergeLastSingle");
  options.seed = static_cast<std::uint64_t>(integer("seed", 0, kSafeInteger));
  options.epoch = static_cast<std::uint64_t>(integer("epoch", 0, UINT32_MAX));
  options.workers = static_cast<int>(integer("workers", 1, 1024));
  options.prefetch = static_cast<int>(integer("prefetch", 1, 1 << 16));
  options.skipCorrupt = toBoolean(object.Get("skipCorrupt"), "skipCorrupt");
  options.imageCache = toImageCache(object.Get("imageCache"));
  if (const auto device = object.Get("device"); !device.IsUndefined())
    if (const auto* way = train::feeding(toDevice(device, "device"))) options.memory = way->memory();
  options.firstBatch = integer("firstBatch", 0, kSafeInteger);
  options.views = integer("views", 0, UINT32_MAX);
  options.features = toFeatureCache(object.Get("cache"));
  return options;
}

/// A typed array over the values themselves; over a copy where the runtime allows no memory of others in it.
template <class Array, class Element>
Napi::Value adopt(Napi::Env env, data::Buffer<Element> values) {
  const std::size_t length = values.size(), bytes = length * sizeof(Element);
  auto held = std::make_unique<data::Buffer<Element>>(std::move(values));
  Element* const data = held->data();
  napi_value buffer = nullptr;
  const auto release = [](napi_env, void*, void* hint) { delete static_cast<data::Buffer<Element>*>(hint); };
  if (length > 0 && napi_create_external_arraybuffer(env, data, bytes, release, held.get(), &buffer) == napi_ok) {
    held.release();
    return Array::New(env, length, Napi::ArrayBuffer(env, buffer), 0);
  }
  auto copy = Array::New(env, length);
  if (bytes > 0) std::memcpy(copy.Data(), data, bytes);
  return copy;
}

/// What a worker thread has made ready for JavaScript.
struct ReadyBatch {
  data::Batch batch;
  data::Buffer<float> planes;
  bool asFloat = false;
};

Napi::Value batchObject(Napi::Env env, ReadyBatch& ready) {
  auto& batch = ready.batch;
  auto object = Napi::Object::New(env);
  object.Set("images", ready.asFloat ? adopt<Napi::Float32Array>(env, std::move(ready.planes))
                                     : adopt<Napi::Uint8Array>(env, std::move(batch.images)));
  object.Set("labels", typedArray<Napi::Int32Array>(env, batch.targets.indices));
  object.Set("indices", typedArray<Napi::Int32Array>(env, batch.indices));
  object.Set("count", static_cast<double>(batch.count));
  object.Set("size", static_cast<double>(batch.size));
  object.Set("epoch", static_cast<double>(batch.epoch));
  object.Set("failures", toFailures(env, batch.failures));
  return object;
}

/// On a worker thread, or at once.
void settle(const Pending& pending, const CancelFlag& cancel, bool asFloat, data::Loader::Answer answer) {
  if (cancel.cancelled()) return pending.reject(std::make_exception_ptr(abortedError()));
  if (answer.error) return pending.reject(answer.error);
  if (!answer.batch) return pending.resolve([](Napi::Env env) { return env.Null(); });
  auto ready = std::make_shared<ReadyBatch>();
  ready->batch = std::move(*answer.batch);
  ready->asFloat = asFloat;
  if (asFloat) ready->planes = data::normalised(ready->batch);
  pending.resolve([ready](Napi::Env env) { return batchObject(env, *ready); });
}

class LoaderWrap final : public Napi::ObjectWrap<LoaderWrap> {
 public:
  explicit LoaderWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LoaderWrap>(info) {
    guarded(info.Env(), [&] {
      auto options = toOptions(toObject(info[0], "options"));
      cached_ = options.features != nullptr;
      loader_.hold(info.Env(), std::make_shared<data::Loader>(std::move(options)));
    });
  }

  const std::shared_ptr<data::Loader>& loader() const { return loader_.get(); }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, kName,
                       {InstanceAccessor<&LoaderWrap::batches>("batches"),
                        InstanceAccessor<&LoaderWrap::images>("images"), InstanceMethod<&LoaderWrap::start>("start"),
                        InstanceMethod<&LoaderWrap::next>("next"), InstanceMethod<&LoaderWrap::dispose>("dispose")});
  }

 private:
  Napi::Value batches(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), static_cast<double>(loader()->batches()));
    });
  }

  Napi::Value images(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), static_cast<double>(loader()->images()));
    });
  }

  Napi::Value next(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    return guarded(env, [&] {
      const auto loader = this->loader();
      // Its batches lack the pixels of what is cached.
      if (cached_) throw Error("ERR_INVALID_ARGUMENT", "A loader with a cache is for training and evaluation alone");
      const auto format = toText(info[0], "format");
      if (format != "uint8" && format != "float32") invalid("format", "'uint8' or 'float32'");
      const auto cancel = toCancelFlag(info[1]);
      const std::shared_ptr<Pending> pending = Pending::create(info, cancel);
      const Napi::Value promise = pending->promise(env);
      try {
        loader->requestNext([pending, cancel, asFloat = format == "float32"](data::Loader::Answer answer) {
          try {
            settle(*pending, *cancel, asFloat, std::move(answer));
          } catch (...) {
            pending->reject(std::current_exception());
          }
        });
      } catch (...) {
        pending->reject(std::current_exception());
      }
      return promise;
    });
  }

  Napi::Value start(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      loader()->start();
      return info.Env().Undefined();
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    loader_.letGo();
    return info.Env().Undefined();
  }

  HeldWorker<data::Loader> loader_{"loader"};
  bool cached_ = false;
};

}  // namespace

Napi::Function defineLoader(Napi::Env env) {
  const auto constructor = LoaderWrap::define(env);
  Environment::of(env).keepConstructor(kName, constructor);
  return constructor;
}

std::shared_ptr<data::Loader> toLoader(const Napi::Value& value) {
  if (!Environment::of(value.Env()).isInstance(value, kName)) invalid("loader", "a Loader");
  return LoaderWrap::Unwrap(value.As<Napi::Object>())->loader();
}

Napi::Value toFailures(Napi::Env env, const std::vector<data::ImageFailure>& failures) {
  auto array = Napi::Array::New(env, failures.size());
  for (std::size_t i = 0; i < failures.size(); ++i) {
    auto object = Napi::Object::New(env);
    object.Set("index", static_cast<double>(failures[i].index));
    object.Set("path", pathText(env, failures[i].path));
    object.Set("message", failures[i].message);
    array.Set(static_cast<std::uint32_t>(i), object);
  }
  return array;
}

}  // namespace resnet_torch::binding
