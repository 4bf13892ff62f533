/// Evaluation over a loader.

#include "binding/loader.h"
#include "binding/model_wrap.h"
#include "train/evaluate.h"

namespace resnet_torch::binding {

using model::Network;

namespace {

/// What an evaluation keeps between its batches.
struct Pass {
  train::Evaluation sums;
  std::vector<std::int32_t> indices;
  std::vector<data::ImageFailure> failures;
  std::int64_t batches = 0;
  bool exhausted = false;

  void add(Network& model, data::Batch& batch, at::ScalarType compute, train::Feed& feed) {
    ++batches;
    failures.insert(failures.end(), batch.failures.begin(), batch.failures.end());
    indices.insert(indices.end(), batch.indices.begin(), batch.indices.end());
    if (batch.count > 0) train::evaluateBatch(model, batch, compute, feed, sums);
  }
};

Napi::Value passObject(Napi::Env env, const Pass& pass) {
  auto object = Napi::Object::New(env);
  object.Set("batches", static_cast<double>(pass.batches));
  object.Set("images", static_cast<double>(pass.sums.images));
  object.Set("lossSum", pass.sums.lossSum);
  object.Set("top1", static_cast<double>(pass.sums.top1));
  object.Set("top5", static_cast<double>(pass.sums.top5));
  object.Set("indices", typedArray<Napi::Int32Array>(env, pass.indices));
  object.Set("predictions", typedArray<Napi::Int32Array>(env, pass.sums.predictions));
  if (pass.sums.keepsProbabilities)
    object.Set("probabilities", typedArray<Napi::Float32Array>(env, pass.sums.probabilities));
  object.Set("failures", toFailures(env, pass.failures));
  object.Set("exhausted", pass.exhausted);
  return object;
}

}  // namespace

/// Takes up to `maxBatches` batches from the loader, a batch a unit.
Napi::Value Model::evaluate(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto options = toObject(info[0], "options");
    const auto loader = toLoader(options.Get("loader"));
    const auto maxBatches = toInteger(options.Get("maxBatches"), "maxBatches", 1, kSafeInteger);
    const auto model = this->model();
    const auto compute = toCompute(options.Get("compute"), *model);
    auto& executor = executorOf(*model);
    const auto pass = std::make_shared<Pass>();
    const auto probabilities = options.Get("probabilities");
    pass->sums.keepsProbabilities = !probabilities.IsUndefined() && toBoolean(probabilities, "probabilities");
    return runUnits(info, executor, Priority::kTraining, toCancelFlag(info[1]),
                    [model, loader, maxBatches, pass, compute, feed = feed_, &executor](Answer& answer) {
                      auto taken = train::nextBatch(*loader, executor, *feed);
                      if (taken.waiting) return Job::Progress::kWaiting;
                      model->initialise();
                      if (taken.batch) pass->add(*model, *taken.batch, compute, *feed);
                      pass->exhausted = !taken.batch || loader->exhausted();
                      if (!pass->exhausted && pass->batches < maxBatches) return Job::Progress::kMore;
                      train::finishEvaluation(*model, pass->sums);
                      answer = [pass](Napi::Env env) { return passObject(env, *pass); };
                      return Job::Progress::kDone;
                    });
  });
}

}  // namespace resnet_torch::binding
