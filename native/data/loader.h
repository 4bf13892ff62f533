#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/feature_cache.h"
#include "data/source.h"
#include "data/targets.h"
#include "data/uninitialised.h"
#include "data/view/spec.h"

namespace resnet_torch::data {

class ImageCache;

struct ImageFailure {
  std::int64_t index = 0;  ///< in the file list
  std::string path;
  std::string message;
};

struct LoaderOptions {
  std::shared_ptr<const FileList> files;
  ViewSpec view;
  std::int64_t batchSize = 1;
  bool shuffle = false;
  bool mergeLastSingle = false;
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
  int workers = 1;   ///< decoding threads
  int prefetch = 2;  ///< batches decoded ahead
  bool skipCorrupt = false;
  std::int64_t firstBatch = 0;
  /// Views of an image that epochs walk through: in epoch e each has the augmentation of epoch e % views. 0: no
  /// limit.
  std::int64_t views = 0;
  /// Asked for each image's features before its file is read. May be null.
  std::shared_ptr<FeatureCache> features;
  std::shared_ptr<ImageCache> imageCache;  ///< or none
  std::shared_ptr<HostMemory> memory;      ///< where images and features of batches lie, or none: Pages
};

/// Decoded images, fewer than planned (even none) where files were left out. Of a loader with a cache, `images` holds
/// those alone whose features the cache did not have.
struct Batch {
  Buffer<std::uint8_t> images;        ///< [count, size, size, 3]; with a cache [missing, size, size, 3]
  Targets targets;                    ///< one an image
  std::vector<std::int32_t> indices;  ///< in the file list
  std::vector<ImageFailure> failures;
  std::int64_t count = 0, size = 0;
  std::uint64_t epoch = 0;
  std::shared_ptr<const FileList> files;  ///< the loader's, which names the images

  std::shared_ptr<FeatureCache> cache;  ///< the loader's; what follows is empty where it is null
  Buffer<std::uint8_t> features;        ///< [count, entryBytes]; rows of missing ones are not filled. With a tier
                                        ///< [found elsewhere, entryBytes]
  std::vector<std::int32_t> missing;    ///< positions whose pixels are in `images`, ascending
  std::vector<FeatureKey> keys;         ///< one a position
  std::shared_ptr<FeatureTier> tier;    ///< the cache's when the batch was begun, or null
  std::vector<std::int32_t> rows;       ///< of the tier, one a position; −1 where it lacks the image. Empty without
};

/// One pass over a file list: worker threads decode ahead while tensor work leaves the processor's cores to them
/// (core/cores_turn), and whenever a batch is waited for; batches come in order, and neither their contents nor
/// their order depends on the number of workers. Threads start with the first request and end when all is decoded or
/// the loader is stopped. Batches may be asked for from any thread; each is given to one asker.
///
/// A file that fails throws Error(ERR_IMAGE_DECODE) where its batch would have come, and ends the pass (every later
/// request throws the same); with `skipCorrupt` it is left out and listed in its batch's `failures`. What is no fault
/// of a file (no memory, no right to read it, no descriptor left) ends the pass in either case, with its own error.
class Loader {
 public:
  explicit Loader(LoaderOptions options);
  /// Stops. Does not wait: threads hold what they use until they come out of the image at hand.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Batches and images of the whole pass, the first ones that are passed over included.
  std::int64_t batches() const;
  std::int64_t images() const;

  /// Starts the threads ahead of the first request.
  void start();
  /// The next batch where it is ready; nothing where it is not yet, or `exhausted()`.
  std::optional<Batch> tryNext();
  /// The next batch, waiting for it at most so long.
  std::optional<Batch> waitNext(std::chrono::milliseconds timeout);
  /// No further batch will come.
  bool exhausted() const;
  /// Calls once, on a worker thread or at once, when tryNext() has something to give: a batch, an error or the end.
  /// The call must not destroy the loader.
  void whenReady(std::function<void()> callback);

  /// What requestNext() answers: a batch, nothing (the end), or an error.
  struct Answer {
    std::optional<Batch> batch;
    std::exception_ptr error;
  };
  /// Hands the next batch to the callback, on a worker thread or at once. Several requests are served in order. A
  /// stopped loader answers with ERR_DISPOSED.
  void requestNext(std::function<void(Answer)> callback);

  /// Ends the pass without waiting: threads leave after the image at hand, open requests are answered ERR_DISPOSED.
  void stop();
  /// Waits until the threads have left, at most so long.
  void join(std::chrono::milliseconds bound);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace resnet_torch::data
