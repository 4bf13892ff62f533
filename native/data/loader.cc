#include "data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "core/cores_turn.h"
#include "core/errors.h"
#include "core/pages.h"
#include "data/draft.h"
#include "data/sampler.h"
#include "data/threads.h"

namespace resnet_torch::data {

namespace {

std::exception_ptr disposedError() {
  return std::make_exception_ptr(Error("ERR_DISPOSED", "The loader was disposed of"));
}

}  // namespace

struct Loader::State : std::enable_shared_from_this<Loader::State> {
  explicit State(LoaderOptions given)
      : options(std::move(given)),
        sampler({static_cast<std::int64_t>(options.files->paths.size()), options.batchSize, options.shuffle,
                 options.mergeLastSingle, options.seed, options.epoch}),
        opened(std::min(options.firstBatch, sampler.batches())),
        delivered(opened) {}

  using Callback = std::function<void(Answer)>;
  /// Calls to make once the mutex is free.
  using Calls = std::vector<std::function<void()>>;

  /// Whether decoding may have a core now: not from tensor work of the processor, unless that may wait for it.
  bool mayDecode() const { return options.memory || !CoresTurn::taken() || isWanted(); }
  bool isWanted() const { return readyCallback || !requests.empty() || waiting > 0; }
  bool allClaimed() const {
    return opened == sampler.batches() && std::none_of(drafts.begin(), drafts.end(), isOpen);
  }
  static bool isOpen(const std::shared_ptr<Draft>& draft) { return draft->open(); }

  bool answerable() const { return stopped || failed || delivered == sampler.batches() || frontReady(); }
  bool frontReady() const { return !drafts.empty() && drafts.front()->complete(); }

  void startOnce();
  void work();
  std::shared_ptr<Draft> claim(std::size_t& slot);
  Answer answer();
  Calls settle();
  static void callAll(const Calls& calls) {
    for (const auto& call : calls) call();
  }

  const Pages::Keeping memory;  // batches give theirs to the next
  const LoaderOptions options;
  const Sampler sampler;

  std::mutex mutex;
  std::condition_variable roomChanged, readyChanged;
  std::deque<std::shared_ptr<Draft>> drafts;  // delivered … opened − 1, at most `prefetch`
  std::int64_t opened, delivered;
  std::deque<Callback> requests;
  std::function<void()> readyCallback;
  int waiting = 0;  ///< in waitNext()
  std::exception_ptr failed;
  bool stopped = false;
  std::unique_ptr<ThreadGroup> threads;
  std::unique_ptr<CoresTurn::Listener> turn;
};

/// With the mutex held. The threads hold the state, and the state's group does not hold the threads' work.
void Loader::State::startOnce() {
  if (threads || stopped) return;
  threads = std::make_unique<ThreadGroup>([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    std::lock_guard lock(self->mutex);
    self->roomChanged.notify_all();
  });
  // The listener is gone before the state is: it may call while the state is on its way out, but not after.
  turn = std::make_unique<CoresTurn::Listener>([this] {
    std::lock_guard lock(mutex);
    roomChanged.notify_all();
  });
  const auto left = sampler.batches() - delivered;
  if (left > 0) threads->start(options.workers, [self = shared_from_this()] { self->work(); });
}

void Loader::State::work() {
  std::exception_ptr fault;
  try {
    sampler.prepare();
  } catch (...) {
    fault = std::current_exception();
  }
  std::unique_lock lock(mutex);
  if (fault && !failed) failed = fault;
  for (;;) {
    std::size_t slot = 0;
    std::shared_ptr<Draft> draft;
    roomChanged.wait(lock, [&] {
      return stopped || failed || threads->stopping() || (mayDecode() && (draft = claim(slot))) || failed ||
             allClaimed();
    });
    if (!draft) {
      if (!failed) return;
      const auto calls = settle();
      lock.unlock();
      callAll(calls);
      return;
    }
    lock.unlock();
    const auto fault = decodeSlot(options, *draft, slot);
    lock.lock();
    if (fault && !draft->fault) draft->fault = fault;
    ++draft->finished;
    if (!draft->complete() || draft != drafts.front()) continue;
    const auto calls = settle();
    lock.unlock();
    callAll(calls);
    lock.lock();
  }
}

/// The next image to decode, in the order of the epoch. Where there is no memory for its batch, the pass has failed.
std::shared_ptr<Draft> Loader::State::claim(std::size_t& slot) {
  const auto open = std::find_if(drafts.begin(), drafts.end(), isOpen);
  if (open != drafts.end()) {
    slot = (*open)->started++;
    return *open;
  }
  if (opened == sampler.batches() || static_cast<int>(drafts.size()) >= options.prefetch) return nullptr;
  std::shared_ptr<Draft> draft;
  try {
    draft = std::make_shared<Draft>(options, sampler.batch(opened));
  } catch (...) {
    failed = std::current_exception();
    roomChanged.notify_all();
    return nullptr;
  }
  ++opened;
  slot = draft->started++;
  drafts.push_back(draft);
  roomChanged.notify_all();
  return draft;
}

/// With the mutex held and `answerable()`: takes what comes next.
Loader::Answer Loader::State::answer() {
  if (stopped) return {std::nullopt, disposedError()};
  if (failed) return {std::nullopt, failed};
  if (delivered == sampler.batches()) return {};
  const auto draft = std::move(drafts.front());
  drafts.pop_front();
  ++delivered;
  roomChanged.notify_all();
  failed = draft->fault;
  if (!failed && !options.skipCorrupt) failed = firstFailure(options, *draft);
  if (failed) return {std::nullopt, failed};
  return {assemble(options, *draft), nullptr};
}

/// With the mutex held: serves those who wait, as far as there is something for them.
Loader::State::Calls Loader::State::settle() {
  Calls calls;
  while (!requests.empty() && answerable()) {
    calls.push_back([callback = std::move(requests.front()), answer = std::make_shared<Answer>(answer())] {
      callback(std::move(*answer));
    });
    requests.pop_front();
  }
  if (readyCallback && answerable()) calls.push_back(std::exchange(readyCallback, nullptr));
  readyChanged.notify_all();
  return calls;
}

Loader::Loader(LoaderOptions options) : state_(std::make_shared<State>(std::move(options))) {}

Loader::~Loader() {
  stop();
}

std::int64_t Loader::batches() const {
  return state_->sampler.batches();
}

std::int64_t Loader::images() const {
  return state_->sampler.images();
}

void Loader::start() {
  std::lock_guard lock(state_->mutex);
  state_->startOnce();
}

std::optional<Batch> Loader::tryNext() {
  return waitNext(std::chrono::milliseconds(0));
}

std::optional<Batch> Loader::waitNext(std::chrono::milliseconds timeout) {
  Answer answer;
  {
    std::unique_lock lock(state_->mutex);
    state_->startOnce();
    if (timeout.count() > 0) {
      ++state_->waiting;
      state_->roomChanged.notify_all();
    }
    const bool ready = state_->readyChanged.wait_for(lock, timeout, [&] { return state_->answerable(); });
    if (timeout.count() > 0) --state_->waiting;
    if (!ready) return std::nullopt;
    answer = state_->answer();
  }
  if (answer.error) std::rethrow_exception(answer.error);
  return std::move(answer.batch);
}

bool Loader::exhausted() const {
  std::lock_guard lock(state_->mutex);
  return !state_->failed && !state_->stopped && state_->delivered == state_->sampler.batches();
}

void Loader::whenReady(std::function<void()> callback) {
  {
    std::lock_guard lock(state_->mutex);
    state_->startOnce();
    if (!state_->answerable()) {
      state_->readyCallback = std::move(callback);
      state_->roomChanged.notify_all();
      return;
    }
  }
  callback();
}

void Loader::requestNext(std::function<void(Answer)> callback) {
  State::Calls calls;
  {
    std::lock_guard lock(state_->mutex);
    state_->startOnce();
    state_->requests.push_back(std::move(callback));
    calls = state_->settle();
    state_->roomChanged.notify_all();
  }
  State::callAll(calls);
}

void Loader::stop() {
  State::Calls calls;
  ThreadGroup* threads = nullptr;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopped) return;
    state_->stopped = true;
    calls = state_->settle();
    threads = state_->threads.get();
    state_->roomChanged.notify_all();
  }
  if (threads) threads->stop();
  State::callAll(calls);
}

void Loader::join(std::chrono::milliseconds bound) {
  ThreadGroup* threads = nullptr;
  {
    std::lock_guard lock(state_->mutex);
    threads = state_->threads.get();
  }
  if (threads) threads->join(bound);
}

}  // namespace resnet_torch::data
