#include "binding/async.h"

#include "binding/path_text.h"

namespace resnet_torch::binding {

std::shared_ptr<Pending> Pending::create(const Napi::CallbackInfo& info, CancelFlagPtr cancel) {
  const auto env = info.Env();
  auto& environment = Environment::of(env);
  std::shared_ptr<Pending> pending(new Pending);
  pending->channel_ = environment.channel_;
  pending->id_ = environment.nextCall_++;
  Environment::Call call;
  if (napi_create_promise(env, &call.deferred, &pending->promise_) != napi_ok) throw Napi::Error::New(env);
  // The stack of the caller, for errors that are made later, when it is gone.
  call.callSite = Napi::Persistent(Napi::Error::New(env, "").Value());
  auto held = Napi::Array::New(env);
  held.Set(0U, info.This());
  for (std::size_t i = 0; i < info.Length(); ++i) held.Set(static_cast<std::uint32_t>(i + 1), info[i]);
  call.held = Napi::Persistent(held.As<Napi::Object>());
  call.cancel = std::move(cancel);
  if (environment.calls_.empty()) environment.keepLoopAlive(true);
  environment.calls_.emplace(pending->id_, std::move(call));
  return pending;
}

Napi::Value Pending::promise(Napi::Env env) const {
  return Napi::Value(env, promise_);
}

void Pending::settle(std::function<void(Napi::Env, Environment&, Environment::Call&)> how) const {
  channel_->post([id = id_, how = std::move(how)](Napi::Env env) {
    auto& environment = Environment::of(env);
    const auto found = environment.calls_.find(id);
    if (found == environment.calls_.end()) return;
    auto call = std::move(found->second);
    environment.calls_.erase(found);
    if (environment.calls_.empty()) environment.keepLoopAlive(false);
    how(env, environment, call);
  });
}

namespace {

void rejectWith(Napi::Env env, Environment& environment, napi_deferred deferred, const Napi::Object& callSite,
                const Failure& failure) {
  const Napi::Value error = environment.makeError(env, failure.code, failure.message);
  if (error.IsObject() && callSite.Get("stack").IsString()) {
    const std::string site = callSite.Get("stack").As<Napi::String>();
    const auto frames = site.find("\n");
    auto object = error.As<Napi::Object>();
    const auto head = object.Get("name").ToString().Utf8Value() + ": " + failure.message;
    object.Set("stack", pathText(env, head + (frames == std::string::npos ? "" : site.substr(frames))));
  }
  napi_reject_deferred(env, deferred, error);
}

}  // namespace

void Pending::resolve(Answer answer) const {
  settle([answer = std::move(answer)](Napi::Env env, Environment& environment, Environment::Call& call) {
    try {
      napi_resolve_deferred(env, call.deferred, answer(env));
    } catch (const Napi::Error& error) {
      napi_reject_deferred(env, call.deferred, error.Value());
    } catch (...) {
      rejectWith(env, environment, call.deferred, call.callSite.Value(), describe(std::current_exception()));
    }
  });
}

void Pending::reject(std::exception_ptr error) const {
  settle([failure = describe(error)](Napi::Env env, Environment& environment, Environment::Call& call) {
    rejectWith(env, environment, call.deferred, call.callSite.Value(), failure);
  });
}

namespace {

class PromiseJob final : public Job {
 public:
  PromiseJob(CancelFlagPtr cancel, std::shared_ptr<Pending> pending, Unit unit)
      : Job(std::move(cancel)), pending_(std::move(pending)), unit_(std::move(unit)) {}

  Progress advance() override { return unit_(answer_); }

  void finish() override {
    release();
    pending_->resolve(std::move(answer_));
  }

  void fail(std::exception_ptr error) override {
    release();
    pending_->reject(std::move(error));
  }

 private:
  /// Lets go of models and loaders before the caller hears of the end, so that it may dispose of them at once.
  void release() { unit_ = nullptr; }

  std::shared_ptr<Pending> pending_;
  Unit unit_;
  Answer answer_;
};

class Release final : public Job {
 public:
  explicit Release(std::shared_ptr<void> held) : Job(std::make_shared<CancelFlag>()), held_(std::move(held)) {}
  Progress advance() override {
    held_.reset();
    return Progress::kDone;
  }
  void finish() override {}
  void fail(std::exception_ptr) override {}

 private:
  std::shared_ptr<void> held_;
};

}  // namespace

void releaseOn(Executor& executor, std::shared_ptr<void> held) {
  executor.submit(std::make_shared<Release>(std::move(held)), Priority::kControl);
}

Napi::Value runUnits(const Napi::CallbackInfo& info, Executor& executor, Priority priority, CancelFlagPtr cancel,
                     Unit unit) {
  auto pending = Pending::create(info, cancel);
  const Napi::Value promise = pending->promise(info.Env());
  executor.submit(std::make_shared<PromiseJob>(std::move(cancel), std::move(pending), std::move(unit)), priority);
  return promise;
}

Napi::Value runOnce(const Napi::CallbackInfo& info, Executor& executor, Priority priority, CancelFlagPtr cancel,
                    std::function<Answer()> work) {
  return runUnits(info, executor, priority, std::move(cancel), [work = std::move(work)](Answer& answer) {
    answer = work();
    return Job::Progress::kDone;
  });
}

}  // namespace resnet_torch::binding
