#include "binding/image_cache.h"

#include <algorithm>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/registration.h"
#include "binding/view.h"
#include "core/available_memory.h"

namespace resnet_torch::binding {

namespace {

constexpr const char* kName = "ImageCache";

Napi::Value heldObject(Napi::Env env, const data::ImageCache::Held& held) {
  auto object = Napi::Object::New(env);
  object.Set("images", static_cast<double>(held.images));
  object.Set("bytes", static_cast<double>(held.bytes));
  return object;
}

class ImageCacheWrap final : public Napi::ObjectWrap<ImageCacheWrap> {
 public:
  explicit ImageCacheWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ImageCacheWrap>(info) {
    guarded(info.Env(), [&] {
      const auto limit = info[0].IsNull() ? availableMemory() / 4
                                          : static_cast<std::size_t>(toInteger(info[0], "limit", 0, kSafeInteger));
      cache_ = std::make_shared<data::ImageCache>(limit);
    });
  }

  void Finalize(Napi::Env env) override { letGo(env); }

  const std::shared_ptr<data::ImageCache>& cache() const {
    if (!cache_) throw Error("ERR_DISPOSED", "The image cache was disposed of");
    return cache_;
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, kName,
        {InstanceAccessor<&ImageCacheWrap::limit>("limit"), InstanceMethod<&ImageCacheWrap::held>("held"),
         InstanceMethod<&ImageCacheWrap::plan>("plan"), InstanceMethod<&ImageCacheWrap::dispose>("dispose")});
  }

 private:
  Napi::Value limit(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), static_cast<double>(cache()->limit()));
    });
  }

  Napi::Value held(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return heldObject(info.Env(), cache()->held()); });
  }

  Napi::Value plan(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      const auto sizes = toInt32s(info[0], "sizes");
      const auto crop = toCrop(toObject(info[1], "crop"));
      const auto others = static_cast<std::size_t>(toInteger(info[2], "others", 0, kSafeInteger));
      const auto room = cache()->limit() - std::min(cache()->limit(), others);
      data::ImageCache::Held sum;
      for (std::size_t i = 0; i + 2 < sizes.size(); i += 3) {
        const auto bytes = data::storedBytes(crop, sizes[i], sizes[i + 1], sizes[i + 2] != 0);
        if (bytes > room - sum.bytes) continue;
        ++sum.images;
        sum.bytes += bytes;
      }
      report(info.Env(), static_cast<std::int64_t>(others + sum.bytes));
      return heldObject(info.Env(), sum);
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    letGo(info.Env());
    return info.Env().Undefined();
  }

  /// Its pictures come from other threads, which cannot tell V8: it hears of them when they are planned.
  void report(Napi::Env env, std::int64_t bytes) {
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes - reported_);
    reported_ = bytes;
  }

  /// Freeing gigabytes takes long: not on the JavaScript thread.
  void letGo(Napi::Env env) {
    if (!cache_) return;
    releaseOn(Executor::forDevice("cpu"), std::move(cache_));
    cache_.reset();
    report(env, 0);
  }

  std::shared_ptr<data::ImageCache> cache_;
  std::int64_t reported_ = 0;
};

}  // namespace

Napi::Function defineImageCache(Napi::Env env) {
  const auto constructor = ImageCacheWrap::define(env);
  Environment::of(env).keepConstructor(kName, constructor);
  return constructor;
}

std::shared_ptr<data::ImageCache> toImageCache(const Napi::Value& value) {
  if (value.IsNull() || value.IsUndefined()) return nullptr;
  if (!Environment::of(value.Env()).isInstance(value, kName)) invalid("imageCache", "an ImageCache or null");
  return ImageCacheWrap::Unwrap(value.As<Napi::Object>())->cache();
}

}  // namespace resnet_torch::binding
