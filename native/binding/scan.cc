#include "data/scan.h"

#include <atomic>
#include <cinttypes>
#include <cstdio>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/file_list.h"
#include "binding/path_text.h"
#include "binding/registration.h"

namespace resnet_torch::binding {

namespace {

/// Calls a JavaScript function with the latest count. At most one call waits in the queue at a time.
class Progress : public std::enable_shared_from_this<Progress> {
 public:
  Progress(std::shared_ptr<Channel> channel, Napi::Function function)
      : channel_(std::move(channel)), function_(Napi::Persistent(function)) {}
  ~Progress() {
    // Only the JavaScript thread may let go of a reference, which release() does; after its end there is none.
    function_.SuppressDestruct();
  }

  void report(std::size_t done) {
    std::size_t known = done_.load();
    while (known < done && !done_.compare_exchange_weak(known, done)) {
    }
    if (waiting_.exchange(true)) return;
    channel_->post([self = shared_from_this()](Napi::Env env) {
      self->waiting_ = false;
      if (self->function_.IsEmpty()) return;
      try {
        self->function_.Call({Napi::Number::New(env, static_cast<double>(self->done_.load()))});
      } catch (const Napi::Error& error) {
        napi_fatal_exception(env, error.Value());
      }
    });
  }

  void release() {
    channel_->post([self = shared_from_this()](Napi::Env) { self->function_.Reset(); });
  }

 private:
  std::shared_ptr<Channel> channel_;
  Napi::FunctionReference function_;
  std::atomic<std::size_t> done_{0};
  std::atomic<bool> waiting_{false};
};

std::string hexadecimal(const Hash128& hash) {
  char text[33];
  std::snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
  return text;
}

Napi::Value resultArray(Napi::Env env, const std::vector<data::ScannedImage>& images) {
  auto array = Napi::Array::New(env, images.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Napi::HandleScope scope(env);
    auto object = Napi::Object::New(env);
    object.Set("ok", images[i].ok);
    object.Set("message", images[i].message);
    object.Set("width", images[i].width);
    object.Set("height", images[i].height);
    object.Set("format", images[i].format);
    object.Set("bytes", static_cast<double>(images[i].bytes));
    object.Set("digest", hexadecimal(images[i].digest));
    array.Set(static_cast<std::uint32_t>(i), object);
  }
  return array;
}

/// A list, or the paths of files.
std::shared_ptr<const data::FileList> toScanned(const Napi::Value& value) {
  if (!value.IsArray()) return toFileList(value);
  auto files = std::make_shared<data::FileList>();
  files->paths = toPaths(value, "paths");
  return files;
}

Napi::Value scanImages(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    auto files = toScanned(info[0]);
    const auto options = toObject(info[1], "options");
    const auto workers = static_cast<int>(toInteger(options.Get("workers"), "workers", 1, 1024));
    const auto report = options.Get("progress");
    if (!report.IsUndefined() && !report.IsFunction()) invalid("progress", "a function");
    const auto cancel = toCancelFlag(info[2]);
    const auto progress =
        report.IsFunction() ? std::make_shared<Progress>(Environment::of(env).channel(), report.As<Napi::Function>())
                            : nullptr;
    const std::shared_ptr<Pending> pending = Pending::create(info, cancel);
    const Napi::Value promise = pending->promise(env);
    const auto finished = [pending, progress](std::vector<data::ScannedImage> images, std::exception_ptr error) {
      if (progress) progress->release();
      if (error) return pending->reject(error);
      auto shared = std::make_shared<std::vector<data::ScannedImage>>(std::move(images));
      pending->resolve([shared](Napi::Env env) { return resultArray(env, *shared); });
    };
    try {
      data::scanImages(
          std::move(files), workers, cancel,
          progress ? [progress](std::size_t done) { progress->report(done); } : std::function<void(std::size_t)>(),
          finished);
    } catch (...) {
      finished({}, std::current_exception());
    }
    return promise;
  });
}

}  // namespace

Napi::Function defineScanImages(Napi::Env env) {
  return Napi::Function::New(env, scanImages, "scanImages");
}

}  // namespace resnet_torch::binding
