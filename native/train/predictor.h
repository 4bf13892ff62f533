#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/executor.h"
#include "data/image.h"
#include "data/view/geometry.h"
#include "model/network.h"

namespace resnet_torch::train {

struct PredictorOptions {
  data::CropOptions crop;
  at::ScalarType compute = at::kFloat;    ///< the dtype computed in
  int workers = 1;                        ///< decoding threads
  std::int64_t maxBatch = 32;             ///< images of a batch
  std::chrono::microseconds maxDelay{0};  ///< that an image waits for others while the device is free
  std::int64_t mostPixels = data::kMostPixels;
};

/// Images that a batch of `count` is made up to, where every size costs something at first: the next power of two,
/// and `most` at the end.
constexpr std::int64_t paddedBatch(std::int64_t count, std::int64_t most) {
  std::int64_t size = 1;
  while (size < count) size *= 2;
  return size < most ? size : most;
}

/// What is said of one image.
struct Prediction {
  std::vector<std::int32_t> classes;  ///< topK of them, likeliest first
  std::vector<float> probabilities;   ///< softmax over all classes, beside `classes`
  std::vector<float> features;        ///< [features] where they were asked for
};

/// Classifies images as they come, those that wait at the same time in one batch. Images are decoded on threads of
/// its own; a batch goes to the executor when the device is free and it is full, or when its oldest image has waited
/// for `maxDelay`. An image of which the network makes values that are not finite is answered ERR_NON_FINITE, and the
/// others of its batch as they are. Requests may come from any thread, and are answered once each, on some other
/// thread or at once.
///
/// On a device, whose libraries make plans for each size of batch that is new to them, batches are made up to a few
/// sizes with images that nobody is told of, and the plans of these sizes are made when the predictor is.
class Predictor {
 public:
  struct Request {
    std::string name;                 ///< a path, or what the image is called in messages
    std::vector<std::uint8_t> bytes;  ///< empty: the file of that name
    data::RawShape raw;
    std::int64_t topK = 1;
    bool features = false;
    CancelFlagPtr cancel;  ///< a request that is cancelled before its batch begins is answered ERR_ABORTED
    std::function<void(Prediction, std::exception_ptr)> done;
  };
  struct Stats {
    std::int64_t waiting = 0;  ///< requests that are not answered yet
    std::int64_t batches = 0, images = 0;
  };

  Predictor(std::shared_ptr<model::Network> model, PredictorOptions options, Executor& executor);
  /// Stops. Does not wait: what runs is answered, what waits is answered ERR_DISPOSED.
  ~Predictor();
  Predictor(const Predictor&) = delete;
  Predictor& operator=(const Predictor&) = delete;

  /// Throws ERR_INTERNAL where the system has no thread for it; nothing waits then.
  void submit(Request request);
  Stats stats() const;
  void stop();
  /// Waits until the threads have left, at most so long.
  void join(std::chrono::milliseconds bound);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace resnet_torch::train
