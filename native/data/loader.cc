#include "data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <span>
#include <stdexcept>

#include "core/cores_turn.h"
#include "core/errors.h"
#include "data/image.h"
#include "data/sampler.h"
#include "data/threads.h"

namespace resnet_torch::data {

namespace {

/// A batch that is being decoded.
struct Draft {
  explicit Draft(const std::shared_ptr<HostMemory>& memory)
      : images(Uninitialised<std::uint8_t>(memory)), features(Uninitialised<std::uint8_t>(memory)) {}

  std::span<const std::int32_t> indices;
  Buffer<std::uint8_t> images;
  std::vector<std::string> messages;  ///< what is wrong with each file; empty where nothing is
  std::exception_ptr fault;           ///< not a file's fault, such as a lack of memory; the first of them
  Buffer<std::uint8_t> features;      ///< of those found; these three only with a cache
  std::vector<FeatureKey> keys;
  std::vector<char> found;
  std::shared_ptr<FeatureTier> tier;
  std::vector<std::int32_t> rows;  ///< of the tier; −1 for none
  std::size_t started = 0, finished = 0;

  bool complete() const { return finished == indices.size(); }
};

Error decodeError(const std::string& path, const std::string& message) {
  return Error("ERR_IMAGE_DECODE",
               "Cannot read the image " + path + ": " + message +
                   ". Replace or remove the file, or leave out what is broken with --skip-corrupt "
                   "(skipCorrupt: true)");
}

/// Moves row `from` of a buffer to row `to`, which comes no later.
void moveRow(Buffer<std::uint8_t>& rows, std::size_t bytes, std::size_t from, std::size_t to) {
  if (to != from) std::memcpy(rows.data() + to * bytes, rows.data() + from * bytes, bytes);
}

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
  static bool isOpen(const std::shared_ptr<Draft>& draft) { return draft->started < draft->indices.size(); }

  bool answerable() const { return stopped || failed || delivered == sampler.batches() || frontReady(); }
  bool frontReady() const { return !drafts.empty() && drafts.front()->complete(); }

  void startOnce();
  void work();
  std::shared_ptr<Draft> claim(std::size_t& slot);
  std::shared_ptr<Draft> begun(std::span<const std::int32_t> indices) const;
  std::exception_ptr decode(Draft& draft, std::size_t slot) const;
  Answer answer();
  bool findFeatures(Draft& draft, std::size_t slot, const Address& address) const;
  Batch assemble(Draft& draft) const;
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
    const auto fault = decode(*draft, slot);
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
    draft = begun(sampler.batch(opened));
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

std::shared_ptr<Draft> Loader::State::begun(std::span<const std::int32_t> indices) const {
  auto draft = std::make_shared<Draft>(options.memory);
  draft->indices = indices;
  const auto size = static_cast<std::size_t>(options.crop.size);
  draft->images.resize(draft->indices.size() * size * size * 3);
  draft->messages.resize(draft->indices.size());
  if (options.features) {
    draft->features.resize(draft->indices.size() * options.features->entryBytes());
    draft->keys.resize(draft->indices.size());
    draft->found.resize(draft->indices.size());
    draft->tier = options.features->tier();
    if (draft->tier) draft->rows.resize(draft->indices.size(), -1);
  }
  return draft;
}

/// Answers what is no fault of the file. The draft is shared: of it, only what belongs to the slot is written.
std::exception_ptr Loader::State::decode(Draft& draft, std::size_t slot) const {
  const auto index = draft.indices[slot];
  const auto bytes = draft.images.size() / draft.indices.size();
  const auto views = static_cast<std::uint64_t>(options.views);
  const Address address{options.seed, views > 0 ? options.epoch % views : options.epoch,
                        static_cast<std::uint64_t>(index)};
  try {
    if (options.features && findFeatures(draft, slot, address)) return nullptr;
    decodeView(options.files->source(static_cast<std::size_t>(index)), options.crop, address,
               draft.images.data() + slot * bytes, options.imageCache.get());
  } catch (const Error&) {
    return std::current_exception();
  } catch (const std::runtime_error& error) {
    draft.messages[slot] = error.what();
    if (draft.messages[slot].empty()) draft.messages[slot] = "it cannot be decoded";
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

bool Loader::State::findFeatures(Draft& draft, std::size_t slot, const Address& address) const {
  draft.keys[slot] =
      featureKey(options.files->source(static_cast<std::size_t>(draft.indices[slot])), options.crop, address);
  if (draft.tier) {
    const auto row = options.features->findIn(*draft.tier, draft.keys[slot]);
    if (row) {
      draft.rows[slot] = *row;
      draft.found[slot] = true;
      return true;
    }
  }
  auto* const row = draft.features.data() + slot * options.features->entryBytes();
  draft.found[slot] = options.features->read(draft.keys[slot], row);
  return draft.found[slot];
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
  const auto broken = std::find_if(draft->messages.begin(), draft->messages.end(),
                                   [](const auto& message) { return !message.empty(); });
  if (draft->fault) {
    failed = draft->fault;
  } else if (broken != draft->messages.end() && !options.skipCorrupt) {
    const auto index = draft->indices[static_cast<std::size_t>(broken - draft->messages.begin())];
    failed = std::make_exception_ptr(decodeError(options.files->paths[index], *broken));
  }
  if (failed) return {std::nullopt, failed};
  return {assemble(*draft), nullptr};
}

/// The images that could be read, moved together.
Batch Loader::State::assemble(Draft& draft) const {
  Batch batch;
  batch.size = options.crop.size;
  batch.epoch = options.epoch;
  batch.files = options.files;
  batch.cache = options.features;
  batch.tier = draft.tier;
  const auto imageBytes = draft.images.size() / draft.indices.size();
  const auto entryBytes = batch.cache ? batch.cache->entryBytes() : 0;
  std::size_t images = 0, features = 0;
  for (std::size_t slot = 0; slot < draft.indices.size(); ++slot) {
    const auto index = draft.indices[slot];
    if (!draft.messages[slot].empty()) {
      batch.failures.push_back({index, options.files->paths[index], draft.messages[slot]});
      continue;
    }
    const auto position = static_cast<std::size_t>(batch.count++);
    batch.targets.indices.push_back(options.files->labels[index]);
    batch.indices.push_back(index);
    if (batch.cache) batch.keys.push_back(draft.keys[slot]);
    if (batch.tier) batch.rows.push_back(draft.rows[slot]);
    if (batch.cache && draft.found[slot]) {
      if (!batch.tier || draft.rows[slot] < 0)
        moveRow(draft.features, entryBytes, slot, batch.tier ? features++ : position);
      continue;
    }
    moveRow(draft.images, imageBytes, slot, images++);
    if (batch.cache) batch.missing.push_back(static_cast<std::int32_t>(position));
  }
  batch.images = std::move(draft.images);
  batch.images.resize(images * imageBytes);
  batch.features = std::move(draft.features);
  batch.features.resize((batch.tier ? features : static_cast<std::size_t>(batch.count)) * entryBytes);
  return batch;
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
