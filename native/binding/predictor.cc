#include "train/predictor.h"

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/model.h"
#include "binding/path_text.h"
#include "binding/registration.h"
#include "binding/view.h"
#include "binding/worker.h"

namespace resnet_torch::binding {

namespace {

constexpr const char* kName = "Predictor";
constexpr double kMostDelay = 60'000;  // ms

using train::Predictor;

train::PredictorOptions toOptions(const model::Network& model, const Napi::Object& object) {
  train::PredictorOptions options;
  options.crop = toCrop(toObject(object.Get("crop"), "crop"));
  options.compute = toCompute(object.Get("compute"), model);
  options.workers = static_cast<int>(toInteger(object.Get("workers"), "workers", 1, 1024));
  options.maxBatch = toInteger(object.Get("maxBatch"), "maxBatch", 1, 1 << 20);
  const double delay = toNumber(object.Get("maxDelayMs"), "maxDelayMs");
  if (!(delay >= 0 && delay <= kMostDelay)) invalid("maxDelayMs", "from 0 to 60000");
  options.maxDelay = std::chrono::microseconds(static_cast<std::int64_t>(delay * 1000));
  options.mostPixels = toInteger(object.Get("maxPixels"), "maxPixels", 1, data::kMostPixels);
  return options;
}

/// A path, the bytes of an encoded image, or pixels with their shape; bytes are copied.
void readImage(const Napi::Value& image, Predictor::Request& request) {
  if (image.IsString()) {
    request.name = toPath(image, "image");
    return;
  }
  auto bytes = image;
  if (!image.IsTypedArray()) {
    const auto raw = toObject(image, "image");
    const auto side = [&](const char* name, std::int64_t most) {
      return static_cast<int>(toInteger(raw.Get(name), name, 1, most));
    };
    request.raw = {side("width", INT32_MAX), side("height", INT32_MAX), side("channels", 4)};
    bytes = raw.Get("data");
  }
  const auto given = toBytes(bytes, "image");
  if (given.empty()) throw Error("ERR_IMAGE_DECODE", "Cannot read the image " + request.name + ": it is empty");
  request.bytes.assign(given.begin(), given.end());
}

Napi::Value predictionObject(Napi::Env env, const train::Prediction& prediction) {
  auto object = Napi::Object::New(env);
  object.Set("classes", typedArray<Napi::Int32Array>(env, prediction.classes));
  object.Set("probabilities", typedArray<Napi::Float32Array>(env, prediction.probabilities));
  object.Set("features",
             prediction.features.empty() ? env.Null() : typedArray<Napi::Float32Array>(env, prediction.features));
  return object;
}

class PredictorWrap final : public Napi::ObjectWrap<PredictorWrap> {
 public:
  explicit PredictorWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PredictorWrap>(info) {
    guarded(info.Env(), [&] {
      auto model = toModel(info[0]);
      classes_ = model->headShape().classes;
      auto& executor = executorOf(*model);
      auto options = toOptions(*model, toObject(info[1], "options"));
      predictor_.hold(info.Env(), std::make_shared<Predictor>(std::move(model), std::move(options), executor));
    });
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, kName,
        {InstanceMethod<&PredictorWrap::predict>("predict"), InstanceMethod<&PredictorWrap::stats>("stats"),
         InstanceMethod<&PredictorWrap::dispose>("dispose")});
  }

 private:
  Napi::Value predict(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    return guarded(env, [&] {
      const auto predictor = predictor_.get();
      const auto options = toObject(info[1], "options");
      Predictor::Request request;
      request.name = toPath(options.Get("name"), "name");
      readImage(info[0], request);
      request.topK = toInteger(options.Get("topK"), "topK", 1, classes_);
      request.features = toBoolean(options.Get("features"), "features");
      request.cancel = toCancelFlag(info[2]);
      const std::shared_ptr<Pending> pending = Pending::create(info, request.cancel);
      const Napi::Value promise = pending->promise(env);
      request.done = [pending](train::Prediction prediction, std::exception_ptr error) {
        if (error) return pending->reject(error);
        const auto shared = std::make_shared<train::Prediction>(std::move(prediction));
        pending->resolve([shared](Napi::Env env) { return predictionObject(env, *shared); });
      };
      try {
        predictor->submit(std::move(request));
      } catch (...) {
        pending->reject(std::current_exception());
      }
      return promise;
    });
  }

  Napi::Value stats(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
      const auto stats = predictor_.get()->stats();
      auto object = Napi::Object::New(env);
      object.Set("waiting", static_cast<double>(stats.waiting));
      object.Set("batches", static_cast<double>(stats.batches));
      object.Set("images", static_cast<double>(stats.images));
      return object;
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    predictor_.letGo();
    return info.Env().Undefined();
  }

  HeldWorker<Predictor> predictor_{"predictor"};
  std::int64_t classes_ = 0;
};

}  // namespace

Napi::Function definePredictor(Napi::Env env) {
  return PredictorWrap::define(env);
}

}  // namespace resnet_torch::binding
