#include "train/session.h"

#include "binding/async.h"
#include "binding/loader.h"
#include "binding/model.h"
#include "binding/own_batch.h"
#include "binding/registration.h"
#include "binding/saved_files.h"
#include "binding/session_answers.h"
#include "binding/session_options.h"
#include "train/run.h"

namespace resnet_torch::binding {

namespace {

using train::Session;

class SessionWrap final : public Napi::ObjectWrap<SessionWrap> {
 public:
  explicit SessionWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionWrap>(info) {
    guarded(info.Env(), [&] {
      auto model = toModel(info[0]);
      auto options = toSessionOptions(*model, toObject(info[1], "options"));
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
};

Napi::Value SessionWrap::run(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto session = this->session();
    const auto options = toObject(info[0], "options");
    const auto loader = toLoader(options.Get("loader"));
    auto rates = toFloat64s(options.Get("rates"), "rates");
    const auto groups = session->groups();
    if (rates.empty() || rates.size() % groups != 0 || rates.size() / groups > train::ChunkRun::kMostRows)
      invalid("rates", "1 to 64 rows of " + std::to_string(groups) + " rates, one a parameter group");
    auto& executor = executorOf(session->model());
    const auto run =
        std::make_shared<train::ChunkRun>(train::ChunkRun::Parts{session, loader, feed_, executor}, std::move(rates));
    // The caller's token ends the chunk between two steps; the steps that were made are answered. The job's own flag
    // is for the end of the environment.
    return runUnits(info, executor, Priority::kTraining, std::make_shared<CancelFlag>(),
                    [run, stop = toCancelFlag(info[1])](Answer& answer) {
                      const auto progress = run->advance(*stop);
                      if (progress == Job::Progress::kDone) {
                        // Without the run, which holds the session.
                        answer = [chunk = std::make_shared<train::Chunk>(run->finish())](Napi::Env env) {
                          return chunkObject(env, *chunk);
                        };
                      }
                      return progress;
                    });
  });
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
      const auto result = session.step(ownInput(session, *batch), batch->targets, address, rates);
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
          session.gradients(ownInput(session, *batch), batch->targets, session.nextOwnAddress(batch->shape[0]),
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
    const auto gradients = toGradients(info[0]);
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
      session.copyBest();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value SessionWrap::restoreWeights(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return once(info, [](Session& session) -> Answer {
      session.restoreBest();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value SessionWrap::save(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto session = this->session();
    const auto commit = std::make_shared<train::Commit>();
    auto& executor = executorOf(session->model());
    // In the queue of the steps: none that was asked for later comes before it, and those that follow go on while the
    // disk writes.
    return runUnits(info, executor, Priority::kTraining, std::make_shared<CancelFlag>(),
                    [session, commit, files = toFiles(info[0]), &executor](Answer& answer) {
                      if (!commit->begun()) {
                        std::vector<AtomicFile> staged;
                        for (const auto& file : files) staged.push_back(file.stage(*session));
                        commit->begin(std::move(staged), executor);
                      }
                      if (!commit->ended()) return Job::Progress::kWaiting;
                      commit->finish();
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
