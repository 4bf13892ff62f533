#include "train/session.h"

#include <deque>
#include <future>
#include <optional>

#include "binding/async.h"
#include "binding/loader.h"
#include "binding/model.h"
#include "binding/path_text.h"
#include "binding/registration.h"
#include "model/device_kernels.h"
#include "model/finite.h"
#include "train/loss.h"
#include "train/non_finite.h"
#include "train/pipeline.h"

namespace resnet_torch::binding {

namespace {

using train::Session;

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostRows = 64;

optim::Settings toSettings(const Napi::Object& object) {
  optim::Settings settings;
  const auto kind = toText(object.Get("kind"), "optimizer.kind");
  const auto number = [&](const char* name) { return toNumber(object.Get(name), std::string("optimizer.") + name); };
  if (kind == "sgd") {
    settings.kind = optim::Kind::kSgd;
    settings.momentum = number("momentum");
    settings.dampening = number("dampening");
    settings.nesterov = toBoolean(object.Get("nesterov"), "optimizer.nesterov");
  } else if (kind == "adam" || kind == "adamw") {
    settings.kind = kind == "adam" ? optim::Kind::kAdam : optim::Kind::kAdamW;
    settings.beta1 = number("beta1");
    settings.beta2 = number("beta2");
    settings.eps = number("eps");
  } else {
    invalid("optimizer.kind", "'sgd', 'adam' or 'adamw'");
  }
  return settings;
}

/// A fixed scale; without one torch.amp.GradScaler's.
train::LossScale toLossScale(const Napi::Value& value) {
  train::LossScale scale{65536, 2000, 2, 0.5, /*mayOverflow=*/true};
  if (value.IsUndefined()) return scale;
  scale.initial = toNumber(value, "lossScale");
  if (!(scale.initial > 0 && scale.initial <= 1 << 24)) invalid("lossScale", "above 0, at most 16777216");
  scale.growthInterval = 0;
  return scale;
}

train::SessionOptions toOptions(const model::ResNet50& model, const Napi::Object& object) {
  train::SessionOptions options;
  if (!object.Get("groups").IsArray()) invalid("groups", "an array of parameter groups");
  const auto groups = object.Get("groups").As<Napi::Array>();
  for (std::uint32_t i = 0; i < groups.Length(); ++i) {
    const auto name = "groups[" + std::to_string(i) + "]";
    const auto group = toObject(groups.Get(i), name);
    options.groups.push_back({toText(group.Get("name"), name + ".name"),
                              toTexts(group.Get("parameters"), name + ".parameters"),
                              toNumber(group.Get("weightDecay"), name + ".weightDecay")});
  }
  options.optimizer = toSettings(toObject(object.Get("optimizer"), "optimizer"));
  for (auto& norm : toTexts(object.Get("batchNormTraining"), "batchNormTraining"))
    options.batchNormTraining.insert(std::move(norm));
  options.compute = toCompute(object.Get("compute"), model);
  if (options.compute == at::kHalf) options.lossScale = toLossScale(object.Get("lossScale"));
  if (!object.Get("cudaGraph").IsUndefined()) options.cudaGraph = toBoolean(object.Get("cudaGraph"), "cudaGraph");
  if (!object.Get("searchedBatch").IsUndefined())
    options.searchedBatch = toInteger(object.Get("searchedBatch"), "searchedBatch", 0, kSafeInteger);
  if (!object.Get("autograd").IsUndefined()) options.autograd = toBoolean(object.Get("autograd"), "autograd");
  options.seed = static_cast<std::uint64_t>(toInteger(object.Get("seed"), "seed", 0, kSafeInteger));
  return options;
}

std::optional<std::int64_t> toImageChannels(const Napi::Object& object, at::Device device) {
  const auto value = object.Get("imageChannels");
  if (value.IsUndefined()) return std::nullopt;
  return toInteger(value, "imageChannels", 3, device.is_cpu() ? 3 : 4);
}

/// What a chunk of steps has come to; a row a step.
struct Chunk {
  std::vector<double> losses;
  std::vector<std::int32_t> images, correct;
  std::deque<std::size_t> queued;  ///< rows whose results are not known yet
  std::vector<data::ImageFailure> failures;
  std::vector<train::Note> notes;
  std::int64_t skippedSteps = 0;
  bool exhausted = false;
  double waitMs = 0, stepMs = 0;
  Clock::time_point waitingSince{};
};

double millisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Enters the time since the loader had nothing: waited for data, or, where a device was at steps all the while,
/// theirs.
void countWaiting(const Session& session, Clock::time_point now, Chunk& chunk) {
  if (chunk.waitingSince == Clock::time_point{}) return;
  const double elapsed = std::chrono::duration<double, std::milli>(now - chunk.waitingSince).count();
  (session.busy() ? chunk.stepMs : chunk.waitMs) += elapsed;
  chunk.waitingSince = {};
}

Napi::Array toNotes(Napi::Env env, const std::vector<train::Note>& notes) {
  auto array = Napi::Array::New(env, notes.size());
  for (std::size_t i = 0; i < notes.size(); ++i) {
    auto note = Napi::Object::New(env);
    note.Set("code", notes[i].code);
    note.Set("message", pathText(env, notes[i].message));
    array.Set(static_cast<std::uint32_t>(i), note);
  }
  return array;
}

Napi::Value chunkObject(Napi::Env env, const Chunk& chunk) {
  auto object = Napi::Object::New(env);
  object.Set("steps", static_cast<double>(chunk.losses.size()));
  object.Set("losses", typedArray<Napi::Float64Array>(env, chunk.losses));
  object.Set("images", typedArray<Napi::Int32Array>(env, chunk.images));
  object.Set("correct", typedArray<Napi::Int32Array>(env, chunk.correct));
  object.Set("failures", toFailures(env, chunk.failures));
  object.Set("skippedSteps", static_cast<double>(chunk.skippedSteps));
  object.Set("notes", toNotes(env, chunk.notes));
  object.Set("exhausted", chunk.exhausted);
  object.Set("waitMs", chunk.waitMs);
  object.Set("stepMs", chunk.stepMs);
  return object;
}

/// Enters what is known of the queued steps.
void takeResults(Session& session, bool all, Chunk& chunk) {
  for (const auto& result : session.takeResults(all)) {
    const auto row = chunk.queued.front();
    chunk.queued.pop_front();
    chunk.losses[row] = result.loss;
    chunk.correct[row] = static_cast<std::int32_t>(result.correct);
  }
}

/// Waits for the results of all steps. Those from the first on that failed are not told of: its error is thrown where
/// there is none before it, and else by the next chunk, which the caller is made to ask for.
void finishChunk(Session& session, Chunk& chunk) {
  const auto start = Clock::now();
  takeResults(session, /*all=*/true, chunk);
  chunk.stepMs += millisecondsSince(start);
  chunk.skippedSteps = session.takeSkippedSteps();
  chunk.notes = session.takeNotes();
  if (session.failed()) chunk.exhausted = false;
  if (chunk.queued.empty()) return;
  const auto good = chunk.queued.front();
  chunk.queued.clear();
  if (good == 0) session.throwPostponed();
  chunk.losses.resize(good);
  chunk.images.resize(good);
  chunk.correct.resize(good);
}

/// One unit of a chunk: a batch, and its step.
Job::Progress advanceChunk(Session& session, data::Loader& loader, Executor& executor,
                           const std::vector<double>& rates, at::ScalarType compute, train::Feed& feed,
                           Chunk& chunk) {
  auto taken = train::takeBatch(loader, executor, feed);
  const auto now = Clock::now();
  countWaiting(session, now, chunk);
  if (taken.waiting) {
    chunk.waitingSince = now;
    return Job::Progress::kWaiting;
  }
  if (!taken.batch) {
    chunk.exhausted = true;
    return Job::Progress::kDone;
  }
  auto& batch = *taken.batch;
  chunk.failures.insert(chunk.failures.end(), batch.failures.begin(), batch.failures.end());
  const std::size_t row = chunk.losses.size();
  if (row == 0) session.plan(rates);
  const std::int32_t images = session.usable(batch.count, batch.size) ? static_cast<std::int32_t>(batch.count) : 0;
  if (images > 0) {
    const std::span<const double> rowRates(rates.data() + row * session.groups(), session.groups());
    try {
      const auto prefix = [&](const at::Tensor& x) { return session.prefix(x); };
      session.queueStep(train::prefixOutput(session.model(), batch, session.frozenUnits(), compute, prefix, feed),
                        train::batchLabels(session.model(), batch), train::batchAddress(batch), rowRates);
    } catch (...) {
      if (row == 0) throw;
      session.postpone(std::current_exception());
      return Job::Progress::kDone;
    }
    chunk.queued.push_back(row);
  }
  chunk.losses.push_back(0);
  chunk.images.push_back(images);
  chunk.correct.push_back(0);
  takeResults(session, /*all=*/false, chunk);
  chunk.stepMs += millisecondsSince(now);
  chunk.exhausted = loader.exhausted();
  return chunk.exhausted || session.failed() || chunk.losses.size() * session.groups() == rates.size()
             ? Job::Progress::kDone
             : Job::Progress::kMore;
}

class SessionWrap final : public Napi::ObjectWrap<SessionWrap> {
 public:
  explicit SessionWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionWrap>(info) {
    guarded(info.Env(), [&] {
      auto model = toModel(info[0]);
      auto options = toOptions(*model, toObject(info[1], "options"));
      compute_ = options.compute;
      feed_ = std::make_shared<train::Feed>(model->device(),
                                            toImageChannels(info[1].As<Napi::Object>(), model->device()));
      session_ = std::make_shared<Session>(std::move(model), std::move(options));
      bytes_ = static_cast<std::int64_t>(session_->expectedBytes());
      Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes_);
    });
  }

  void Finalize(Napi::Env env) override { letGo(env); }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Session",
        {InstanceMethod<&SessionWrap::run>("run"), InstanceMethod<&SessionWrap::step>("step"),
         InstanceMethod<&SessionWrap::gradients>("gradients"), InstanceMethod<&SessionWrap::apply>("apply"),
         InstanceMethod<&SessionWrap::drift>("drift"), InstanceMethod<&SessionWrap::save>("save"),
         InstanceMethod<&SessionWrap::keepWeights>("keepWeights"),
         InstanceMethod<&SessionWrap::restoreWeights>("restoreWeights"),
         InstanceMethod<&SessionWrap::loadState>("loadState"), InstanceMethod<&SessionWrap::memory>("memory"),
         InstanceMethod<&SessionWrap::dispose>("dispose")});
  }

 private:
  std::shared_ptr<Session> session() const {
    if (!session_) throw Error("ERR_DISPOSED", "The training session was disposed of");
    return session_;
  }

  /// One unit on the executor in which the session is used.
  Napi::Value once(const Napi::CallbackInfo& info, std::function<Answer(Session&)> work) {
    const auto session = this->session();
    return runOnce(info, executorOf(session->model()), Priority::kTraining, std::make_shared<CancelFlag>(),
                   [session, work = std::move(work)] { return work(*session); });
  }

  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value gradients(const Napi::CallbackInfo& info);
  Napi::Value apply(const Napi::CallbackInfo& info);
  Napi::Value drift(const Napi::CallbackInfo& info);
  Napi::Value keepWeights(const Napi::CallbackInfo& info);
  Napi::Value restoreWeights(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value loadState(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    letGo(info.Env());
    return info.Env().Undefined();
  }

  /// What was asked for before is still done. Where nothing is, the model is free for another session at once, else
  /// with the end of it: two must not train it by turns. The tensors go on the thread that owns them.
  void letGo(Napi::Env env) {
    if (!session_) return;
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes_);
    // Each call that is under way holds it, until just before its caller hears of the end.
    if (session_.use_count() == 1) session_->release();
    auto& executor = executorOf(session_->model());
    releaseOn(executor, std::move(feed_));
    releaseOn(executor, std::move(session_));
    session_.reset();
  }

  std::shared_ptr<Session> session_;
  std::shared_ptr<train::Feed> feed_;
  std::int64_t bytes_ = 0;
  at::ScalarType compute_ = at::kFloat;
};

Napi::Value SessionWrap::run(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto session = this->session();
    const auto options = toObject(info[0], "options");
    const auto loader = toLoader(options.Get("loader"));
    auto rates = toFloat64s(options.Get("rates"), "rates");
    const auto groups = session->groups();
    if (rates.empty() || rates.size() % groups != 0 || rates.size() / groups > kMostRows)
      invalid("rates", "1 to 64 rows of " + std::to_string(groups) + " rates, one a parameter group");
    // The caller's token ends the chunk between two steps; the steps that were made are answered. The job's own flag
    // is for the end of the environment.
    const auto stop = toCancelFlag(info[1]);
    auto chunk = std::make_shared<Chunk>();
    auto& executor = executorOf(session->model());
    return runUnits(info, executor, Priority::kTraining, std::make_shared<CancelFlag>(),
                    [session, loader, rates = std::move(rates), stop, chunk, compute = compute_, feed = feed_,
                     &executor](Answer& answer) {
                      auto progress = Job::Progress::kDone;
                      session->throwPostponed();
                      if (!stop->cancelled())
                        progress = advanceChunk(*session, *loader, executor, rates, compute, *feed, *chunk);
                      if (progress == Job::Progress::kDone) {
                        finishChunk(*session, *chunk);
                        answer = [chunk](Napi::Env env) { return chunkObject(env, *chunk); };
                      }
                      return progress;
                    });
  });
}

/// Images, shape and labels of step() and gradients().
struct OwnBatch {
  Floats values;
  std::vector<std::int64_t> shape;
  at::Tensor labels;
};

OwnBatch toOwnBatch(const model::ResNet50& model, const Napi::CallbackInfo& info) {
  OwnBatch batch;
  batch.values = toFloats(info[0], "images");
  batch.shape = toIntegers(info[1], "shape");
  checkImages(batch.values, batch.shape);
  const auto labels = toInt32s(info[2], "labels");
  if (static_cast<std::int64_t>(labels.size()) != batch.shape[0])
    throw Error("ERR_SHAPE_MISMATCH", "labels has " + std::to_string(labels.size()) + " values for " +
                                          std::to_string(batch.shape[0]) + " images");
  batch.labels = train::labelTensor(labels, model.headShape().classes);
  return batch;
}

/// Where the caller's batch has its randomness; nothing where that is left to the session.
std::optional<train::BatchAddress> toAddress(const Napi::Value& value, std::int64_t images) {
  if (value.IsUndefined()) return std::nullopt;
  const auto object = toObject(value, "address");
  train::BatchAddress address;
  address.epoch = static_cast<std::uint64_t>(toInteger(object.Get("epoch"), "address.epoch", 0, UINT32_MAX));
  for (const auto sample : toInt32s(object.Get("samples"), "address.samples")) address.samples.push_back(sample);
  if (static_cast<std::int64_t>(address.samples.size()) != images)
    invalid("address.samples", "as long as there are images");
  return address;
}

Napi::Object stepObject(Napi::Env env, const train::StepResult& result) {
  auto object = Napi::Object::New(env);
  object.Set("loss", result.loss);
  object.Set("correct", static_cast<double>(result.correct));
  return object;
}

/// What a step on images of the caller's begins with. On the executor.
at::Tensor ownInput(Session& session, const OwnBatch& batch) {
  const auto& model = session.model();
  const auto images = model::uploaded(toImages(model, batch.values, batch.shape), model.device());
  session.checkImages(images);
  const auto input = session.prefix(images);
  if (session.frozenUnits() == 0 || !input.device().is_cpu()) return input;
  if (const auto broken = model::rowsNotFinite(input); !broken.empty())
    throw train::frozenNotFinite("image " + std::to_string(broken.front()), session.compute());
  return input;
}

Napi::Value SessionWrap::step(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto session = this->session();
    const auto batch = std::make_shared<OwnBatch>(toOwnBatch(session->model(), info));
    const auto rates = toFloat64s(info[3], "rates");
    const auto given = toAddress(info[4], batch->shape[0]);
    return once(info, [batch, rates, given](Session& session) -> Answer {
      const auto address = given ? *given : session.nextOwnAddress(batch->shape[0]);
      const auto result = session.step(ownInput(session, *batch), batch->labels, address, rates);
      return [result, notes = session.takeNotes(), skipped = session.takeSkippedSteps()](Napi::Env env) {
        auto answer = stepObject(env, result);
        answer.Set("skipped", skipped > 0);
        answer.Set("notes", toNotes(env, notes));
        return answer;
      };
    });
  });
}

Napi::Value SessionWrap::gradients(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto batch = std::make_shared<OwnBatch>(toOwnBatch(session()->model(), info));
    return once(info, [batch](Session& session) -> Answer {
      auto gradients = std::make_shared<std::map<std::string, at::Tensor>>();
      const auto result =
          session.gradients(ownInput(session, *batch), batch->labels, session.nextOwnAddress(batch->shape[0]),
                            [&](const std::string& name, const at::Tensor& gradient) {
                              (*gradients)[name] = gradient.detach().cpu().clone(at::MemoryFormat::Contiguous);
                            });
      return [result, gradients](Napi::Env env) {
        auto object = Napi::Object::New(env);
        for (const auto& [name, gradient] : *gradients) object.Set(name, toFloatArray(env, gradient));
        auto answer = stepObject(env, result);
        answer.Set("gradients", object);
        return answer;
      };
    });
  });
}

Napi::Value SessionWrap::apply(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto object = toObject(info[0], "gradients");
    std::map<std::string, at::Tensor> gradients;
    const auto names = object.GetPropertyNames();
    for (std::uint32_t i = 0; i < names.Length(); ++i) {
      const std::string name = names.Get(i).As<Napi::String>();
      const auto values = toFloats(object.Get(name), "gradients." + name);
      gradients[name] = at::from_blob(const_cast<void*>(values.data()), {static_cast<std::int64_t>(values.size())},
                                      values.wide ? at::kDouble : at::kFloat)
                            .clone();
    }
    const auto rates = toFloat64s(info[1], "rates");
    return once(info, [gradients, rates](Session& session) -> Answer {
      session.apply(gradients, rates);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value SessionWrap::drift(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return once(info, [](Session& session) -> Answer {
      return [drift = session.drift()](Napi::Env env) { return typedArray<Napi::Float64Array>(env, drift); };
    });
  });
}

Napi::Value SessionWrap::keepWeights(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return once(info, [](Session& session) -> Answer {
      session.keepWeights();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value SessionWrap::restoreWeights(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return once(info, [](Session& session) -> Answer {
      session.restoreWeights();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

/// A file of a checkpoint, and what it holds.
struct FileToSave {
  std::string path, holds;
  Session::Metadata metadata;

  AtomicFile stage(Session& session) const {
    if (holds == "state") return session.stageState(path, metadata);
    return holds == "kept" ? session.stageKept(path, metadata) : session.stageModel(path, metadata);
  }
};

std::vector<FileToSave> toFiles(const Napi::Value& value) {
  if (!value.IsArray()) invalid("files", "an array");
  const auto list = value.As<Napi::Array>();
  std::vector<FileToSave> files;
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    const auto name = "files[" + std::to_string(i) + "]";
    const auto object = toObject(list.Get(i), name);
    FileToSave file{toText(object.Get("path"), name + ".path"), toText(object.Get("holds"), name + ".holds"),
                    toTextMap(object.Get("metadata"), name + ".metadata")};
    if (file.holds != "model" && file.holds != "kept" && file.holds != "state")
      invalid(name + ".holds", "'model', 'kept' or 'state'");
    files.push_back(std::move(file));
  }
  return files;
}

/// Files whose contents are with the operating system, on their way to the disk.
class Saving {
 public:
  void begin(std::vector<AtomicFile> files, Executor& executor) {
    done_ = std::async(std::launch::async, [files = std::move(files), &executor]() mutable {
      const WakeAtEnd whatever{executor};
      for (auto& file : files) file.commit();
    });
  }
  bool begun() const { return done_.valid(); }
  bool ended() const { return done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  void throwFailure() { done_.get(); }

 private:
  struct WakeAtEnd {
    Executor& executor;
    ~WakeAtEnd() { executor.wake(); }
  };

  std::future<void> done_;
};

Napi::Value SessionWrap::save(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto session = this->session();
    const auto saving = std::make_shared<Saving>();
    auto& executor = executorOf(session->model());
    // In the queue of the steps: none that was asked for later comes before it, and those that follow go on while the
    // disk writes.
    return runUnits(info, executor, Priority::kTraining, std::make_shared<CancelFlag>(),
                    [session, saving, files = toFiles(info[0]), &executor](Answer& answer) {
                      if (!saving->begun()) {
                        std::vector<AtomicFile> staged;
                        for (const auto& file : files) staged.push_back(file.stage(*session));
                        saving->begin(std::move(staged), executor);
                      }
                      if (!saving->ended()) return Job::Progress::kWaiting;
                      saving->throwFailure();
                      answer = [](Napi::Env env) { return env.Undefined(); };
                      return Job::Progress::kDone;
                    });
  });
}

Napi::Value SessionWrap::loadState(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto path = toText(info[0], "path");
    const auto tensors = toStoredTensors(info[1], "tensors");
    return once(info, [path, tensors](Session& session) -> Answer {
      session.loadState(path, tensors);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value SessionWrap::memory(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    return once(info, [](Session& session) -> Answer {
      return [memory = session.memory()](Napi::Env env) {
        auto object = Napi::Object::New(env);
        object.Set("stateBytes", static_cast<double>(memory.stateBytes));
        object.Set("gradientBytes", static_cast<double>(memory.gradientBytes));
        return object;
      };
    });
  });
}

}  // namespace

Napi::Function defineSession(Napi::Env env) {
  return SessionWrap::define(env);
}

}  // namespace resnet_torch::binding
