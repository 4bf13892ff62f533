#include "data/scan.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "core/errors.h"
#include "data/threads.h"

namespace resnet_torch::data {

namespace {

/// Files between two reports of progress at most, and between two looks at the cancel flag.
constexpr std::size_t kStride = 16;

struct Scan {
  std::shared_ptr<const FileList> files;
  CancelFlagPtr cancel;
  std::function<void(std::size_t)> progress;
  std::function<void(std::vector<ScannedImage>, std::exception_ptr)> finished;
  std::vector<ScannedImage> results;
  std::atomic<std::size_t> next{0}, done{0};
  std::atomic<int> active{0};
  std::mutex faultMutex;
  std::exception_ptr fault;
  ThreadGroup threads{[] {}};

  bool given() const { return cancel->cancelled() || threads.stopping(); }

  void work() {
    try {
      for (std::size_t first = next.fetch_add(kStride); first < results.size() && !given();
           first = next.fetch_add(kStride)) {
        const auto end = std::min(first + kStride, results.size());
        for (auto i = first; i < end && !given(); ++i) results[i] = scanImage(files->source(i));
        const auto sum = done.fetch_add(end - first) + (end - first);
        if (progress && !given()) progress(sum);
      }
    } catch (...) {
      std::lock_guard lock(faultMutex);
      fault = std::current_exception();
    }
    leave(1);
  }

  /// The last to leave tells the results.
  void leave(int workers) {
    if (workers == 0 || active.fetch_sub(workers) != workers) return;
    if (!fault && given()) fault = std::make_exception_ptr(abortedError());
    finished(std::move(results), fault);
  }
};

}  // namespace

void scanImages(std::shared_ptr<const FileList> files, int workers, CancelFlagPtr cancel,
                std::function<void(std::size_t)> progress,
                std::function<void(std::vector<ScannedImage>, std::exception_ptr)> finished) {
  const auto scan = std::make_shared<Scan>();
  scan->results.resize(files->paths.size());
  const auto strides = (files->paths.size() + kStride - 1) / kStride;
  const int threads = static_cast<int>(std::clamp<std::size_t>(strides, 1, static_cast<std::size_t>(workers)));
  scan->files = std::move(files);
  scan->cancel = std::move(cancel);
  scan->progress = std::move(progress);
  scan->finished = std::move(finished);
  scan->active = threads;
  scan->leave(threads - scan->threads.start(threads, [scan] { scan->work(); }));
}

}  // namespace resnet_torch::data
