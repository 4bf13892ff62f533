#include "train/predictor.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <numeric>
#include <utility>

#include "core/errors.h"
#include "data/threads.h"
#include "model/compiled.h"
#include "model/device_kernels.h"
#include "model/finite.h"
#include "model/normalise.h"
#include "train/non_finite.h"

namespace resnet_torch::train {

namespace {

using Clock = std::chrono::steady_clock;

std::exception_ptr disposedError() {
  return std::make_exception_ptr(Error("ERR_DISPOSED", "The predictor was disposed of"));
}

/// What is wrong with an image, with its name and the way out.
std::exception_ptr imageError(const Predictor::Request& request, std::exception_ptr error) {
  const bool file = request.bytes.empty();
  try {
    std::rethrow_exception(std::move(error));
  } catch (const data::TooManyPixels& large) {
    return std::make_exception_ptr(Error("ERR_IMAGE_TOO_LARGE", "The image " + request.name + " is too large: " +
                                                                    large.what() + ". Give a smaller one"));
  } catch (const std::bad_alloc&) {
    return std::current_exception();
  } catch (const std::exception& broken) {
    const std::string way =
        file ? "Replace or remove the file, or leave out what is broken with --skip-corrupt (skipCorrupt: true)"
             : "Give the bytes of a whole JPEG, PNG, WebP, GIF, TIFF or AVIF image";
    return std::make_exception_ptr(
        Error("ERR_IMAGE_DECODE", "Cannot read the image " + request.name + ": " + broken.what() + ". " + way));
  }
}

/// The likeliest classes of one row; of equals the first.
void takeLikeliest(const float* row, std::int64_t classes, std::int64_t topK, Prediction& into) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(classes));
  std::iota(order.begin(), order.end(), 0);
  const auto before = [row](std::int32_t a, std::int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; };
  std::partial_sort(order.begin(), order.begin() + topK, order.end(), before);
  order.resize(static_cast<std::size_t>(topK));
  for (const auto index : order) into.probabilities.push_back(row[index]);
  into.classes = std::move(order);
}

/// An image that is decoded and waits for its batch.
struct Waiting {
  Predictor::Request request;
  Clock::time_point since;
  data::Buffer<std::uint8_t> pixels;  // [size, size, 3]; empty until it is decoded
};

}  // namespace

struct Predictor::State : std::enable_shared_from_this<Predictor::State> {
  State(std::shared_ptr<model::Network> of, PredictorOptions given, Executor& on)
      : model(std::move(of)), options(std::move(given)), executor(on) {}

  void startOnce();
  void work();
  void decode(Waiting& image) const;
  bool due() const;
  void dispatch();
  std::vector<Waiting> take();
  /// What the network makes of bytes [n, size, size, 3].
  struct Outputs {
    at::Tensor images, features, logits;
  };
  Outputs compute(const at::Tensor& bytes) const;
  at::Tensor emptyBatch(std::int64_t images) const;
  /// Images of a batch as it is computed.
  std::int64_t batchOf(std::int64_t count) const { return pads ? paddedBatch(count, options.maxBatch) : count; }
  void run(std::vector<Waiting>& batch);
  bool goesOn();
  void answer(Request& request, Prediction prediction, std::exception_ptr error);
  void abandon(const std::exception_ptr& error);

  const std::shared_ptr<model::Network> model;
  const PredictorOptions options;
  Executor& executor;
  const bool pads = model::deviceKernels(model->device()) != nullptr;
  const CancelFlagPtr warmUp = std::make_shared<CancelFlag>();

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<Waiting> incoming, ready;
  Stats stats;
  bool running = false;  // a job of ours is at the executor
  bool stopped = false;
  std::unique_ptr<data::ThreadGroup> threads;
};

namespace {

/// Classifies batches as long as there is one that is due.
template <class State>
class BatchJob final : public Job {
 public:
  explicit BatchJob(std::shared_ptr<State> state) : Job(std::make_shared<CancelFlag>()), state_(std::move(state)) {}

  Progress advance() override {
    auto batch = state_->take();
    if (!batch.empty()) state_->run(batch);
    return state_->goesOn() ? Progress::kMore : Progress::kDone;
  }
  void finish() override {}
  void fail(std::exception_ptr error) override { state_->abandon(error); }

 private:
  std::shared_ptr<State> state_;
};

/// Computes a batch of each size that there will be, so that no prediction waits for a size's plans. What goes wrong
/// here goes wrong with a prediction too, which tells of it.
template <class State>
class WarmUpJob final : public Job {
 public:
  explicit WarmUpJob(std::shared_ptr<State> state) : Job(state->warmUp), state_(std::move(state)) {}

  Progress advance() override {
    const at::NoGradGuard noGrad;
    const auto size = state_->batchOf(next_);
    state_->compute(state_->emptyBatch(size).zero_());
    next_ = size + 1;
    return next_ <= state_->options.maxBatch ? Progress::kMore : Progress::kDone;
  }
  void finish() override {}
  void fail(std::exception_ptr) override {}

 private:
  std::shared_ptr<State> state_;
  std::int64_t next_ = 1;
};

}  // namespace

/// With the mutex held. The threads hold the state, and the state's group does not hold the threads' work.
void Predictor::State::startOnce() {
  if (threads || stopped) return;
  threads = std::make_unique<data::ThreadGroup>([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    std::lock_guard lock(self->mutex);
    self->changed.notify_all();
  });
  try {
    threads->start(options.workers, [self = shared_from_this()] { self->work(); });
  } catch (...) {
    threads.reset();  // the next request tries anew
    throw;
  }
}

void Predictor::State::work() {
  std::unique_lock lock(mutex);
  while (!stopped && !threads->stopping()) {
    if (!incoming.empty()) {
      auto image = std::move(incoming.front());
      incoming.pop_front();
      lock.unlock();
      std::exception_ptr error;
      try {
        image.request.cancel->throwIfCancelled();
        decode(image);
      } catch (const Error&) {
        error = std::current_exception();
      } catch (...) {
        error = imageError(image.request, std::current_exception());
      }
      if (error) answer(image.request, {}, error);
      lock.lock();
      if (error) continue;
      if (stopped) {
        lock.unlock();
        answer(image.request, {}, disposedError());
        return;
      }
      ready.push_back(std::move(image));
    } else if (running || ready.empty()) {
      changed.wait(lock);
    } else {
      changed.wait_until(lock, ready.front().since + options.maxDelay);
    }
    lock.unlock();
    dispatch();
    lock.lock();
  }
}

void Predictor::State::decode(Waiting& image) const {
  const auto& request = image.request;
  const auto size = static_cast<std::size_t>(options.crop.size);
  image.pixels.resize(size * size * 3);
  const data::ImageSource source{request.name, nullptr, nullptr, request.bytes, request.raw};
  data::decodeView(source, options.crop, {}, image.pixels.data(), nullptr, options.mostPixels);
  image.request.bytes = {};
}

/// With the mutex held.
bool Predictor::State::due() const {
  if (ready.empty() || stopped) return false;
  return static_cast<std::int64_t>(ready.size()) >= options.maxBatch ||
         Clock::now() >= ready.front().since + options.maxDelay;
}

void Predictor::State::dispatch() {
  {
    std::lock_guard lock(mutex);
    if (running || !due()) return;
    running = true;
  }
  try {
    executor.submit(std::make_shared<BatchJob<State>>(shared_from_this()), Priority::kPrediction);
  } catch (...) {
    abandon(std::current_exception());
  }
}

std::vector<Waiting> Predictor::State::take() {
  std::vector<Waiting> batch, cancelled;
  {
    std::lock_guard lock(mutex);
    while (!ready.empty() && static_cast<std::int64_t>(batch.size()) < options.maxBatch) {
      auto& into = ready.front().request.cancel->cancelled() ? cancelled : batch;
      into.push_back(std::move(ready.front()));
      ready.pop_front();
    }
    if (!batch.empty()) ++stats.batches;
    stats.images += static_cast<std::int64_t>(batch.size());
  }
  for (auto& image : cancelled) answer(image.request, {}, std::make_exception_ptr(abortedError()));
  return batch;
}

at::Tensor Predictor::State::emptyBatch(std::int64_t images) const {
  const auto size = static_cast<std::int64_t>(options.crop.size);
  return at::empty({images, size, size, 3}, at::kByte);
}

Predictor::State::Outputs Predictor::State::compute(const at::Tensor& bytes) const {
  Outputs outputs;
  outputs.images = model::normalise(model::uploaded(bytes, model->device()), options.compute);
  outputs.features = model::compiledFeatures(*model, outputs.images, options.compute);
  outputs.logits = model->logits(outputs.features, {});
  return outputs;
}

void Predictor::State::run(std::vector<Waiting>& batch) {
  const at::NoGradGuard noGrad;
  const auto count = static_cast<std::int64_t>(batch.size());
  std::vector<Prediction> predictions(batch.size());
  std::vector<std::exception_ptr> errors(batch.size());
  try {
    const auto bytes = emptyBatch(batchOf(count));
    auto* const begin = bytes.mutable_data_ptr<std::uint8_t>();
    auto* to = begin;
    for (const auto& image : batch) to = std::copy(image.pixels.begin(), image.pixels.end(), to);
    std::fill(to, begin + bytes.numel(), std::uint8_t{0});
    const auto outputs = compute(bytes);
    const auto& images = outputs.images;
    const auto floats = at::TensorOptions().device(at::kCPU).dtype(at::kFloat);
    const auto logits = outputs.logits.narrow(0, 0, count).cpu();
    const auto probabilities = logits.softmax(1).to(floats).contiguous();
    const auto rows = outputs.features.narrow(0, 0, count).to(floats).contiguous();
    for (const auto& values : {logits, rows})
      for (const auto row : model::rowsNotFinite(values)) {
        auto& error = errors[static_cast<std::size_t>(row)];
        const auto& name = batch[static_cast<std::size_t>(row)].request.name;
        if (!error)
          error = std::make_exception_ptr(
              notFiniteError(*model, {"The logits of " + name, 0, images.narrow(0, row, 1), options.compute}));
      }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (errors[i]) continue;
      const auto row = static_cast<std::int64_t>(i);
      const auto& request = batch[i].request;
      takeLikeliest(probabilities.const_data_ptr<float>() + row * probabilities.size(1), probabilities.size(1),
                    request.topK, predictions[i]);
      if (!request.features) continue;
      const auto* from = rows.const_data_ptr<float>() + row * rows.size(1);
      predictions[i].features.assign(from, from + rows.size(1));
    }
  } catch (...) {
    const auto error = std::current_exception();
    for (auto& image : batch) answer(image.request, {}, error);
    return;
  }
  for (std::size_t i = 0; i < batch.size(); ++i)
    answer(batch[i].request, std::move(predictions[i]), std::move(errors[i]));
}

/// Whether the job goes on with another batch; else a thread submits the next one when it is due.
bool Predictor::State::goesOn() {
  std::lock_guard lock(mutex);
  if (due()) return true;
  running = false;
  if (!ready.empty()) changed.notify_one();
  return false;
}

void Predictor::State::answer(Request& request, Prediction prediction, std::exception_ptr error) {
  {
    std::lock_guard lock(mutex);
    --stats.waiting;
  }
  request.done(std::move(prediction), std::move(error));
}

/// Answers all that waits with an error.
void Predictor::State::abandon(const std::exception_ptr& error) {
  std::deque<Waiting> left;
  {
    std::lock_guard lock(mutex);
    running = false;
    left.swap(ready);
    for (auto& image : incoming) left.push_back(std::move(image));
    incoming.clear();
  }
  for (auto& image : left) answer(image.request, {}, error);
}

Predictor::Predictor(std::shared_ptr<model::Network> model, PredictorOptions options, Executor& executor)
    : state_(std::make_shared<State>(std::move(model), std::move(options), executor)) {
  if (state_->pads) executor.submit(std::make_shared<WarmUpJob<State>>(state_), Priority::kControl);
}

Predictor::~Predictor() {
  stop();
}

void Predictor::submit(Request request) {
  {
    std::lock_guard lock(state_->mutex);
    if (!state_->stopped) {
      state_->startOnce();
      state_->incoming.push_back({std::move(request), Clock::now(), {}});
      ++state_->stats.waiting;
      state_->changed.notify_one();
      return;
    }
    ++state_->stats.waiting;
  }
  state_->answer(request, {}, disposedError());
}

Predictor::Stats Predictor::stats() const {
  std::lock_guard lock(state_->mutex);
  return state_->stats;
}

void Predictor::stop() {
  data::ThreadGroup* threads = nullptr;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopped) return;
    state_->stopped = true;
    threads = state_->threads.get();
    state_->changed.notify_all();
  }
  if (threads) threads->stop();
  state_->warmUp->cancel();
  state_->abandon(disposedError());
}

void Predictor::join(std::chrono::milliseconds bound) {
  data::ThreadGroup* threads = nullptr;
  {
    std::lock_guard lock(state_->mutex);
    threads = state_->threads.get();
  }
  if (threads) threads->join(bound);
}

}  // namespace resnet_torch::train
