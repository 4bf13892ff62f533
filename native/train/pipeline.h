#pragma once

#include "model/aten.h"

#include <functional>
#include <optional>

#include "core/executor.h"
#include "data/loader.h"
#include "model/network.h"
#include "train/batch_address.h"
#include "train/device_feed.h"
#include "train/targets.h"

namespace resnet_torch::train {

// Where the loader's bytes become the model's tensors.

/// What a loader had when it was asked.
struct NextBatch {
  std::optional<data::Batch> batch;
  bool waiting = false;  ///< not ready yet; neither waiting nor a batch: the pass is over
};

class DeviceFeatures;

/// The way of batches to a model's device, for the life of a run or of a model. On the executor's thread, and let go
/// of there.
class Feed {
 public:
  /// `channels` of normalised images, 3 or 4, is for measuring; nothing: what suits the device.
  explicit Feed(at::Device device, std::optional<std::int64_t> channels = std::nullopt)
      : device_(device), channels_(channels) {}

  /// The images of a batch, normalised, in the dtype in which the model computes. On a device the batch has them no
  /// longer.
  at::Tensor images(data::Batch& batch, at::ScalarType compute);
  /// A batch's features, [count, …]: as they are, on the CPU, where the batch must outlive them; else a copy.
  at::Tensor features(data::Batch& batch, at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType dtype);
  /// Where the cache's entries of `values` values may stay on the device: the cache is given a tier there.
  void offerTier(data::FeatureCache& cache, std::int64_t values, at::ScalarType dtype) const;
  /// The tier in which a batch's images were looked for; null for none.
  DeviceFeatures* tierOf(const data::Batch& batch) const;
  /// Waits for a batch that is on its way to a device, so that a loader has its memory for another.
  void arrive();

 private:
  /// Null where batches stay where they are.
  DeviceFeed* way();

  at::Device device_;
  std::optional<std::int64_t> channels_;
  std::unique_ptr<DeviceFeed> way_;
};

/// The next batch where it is ready; otherwise the loader wakes the executor when it is.
NextBatch nextBatch(data::Loader& loader, Executor& executor, Feed& feed);

/// On the CPU.
Targets batchTargets(const model::Network& model, const data::Batch& batch);
BatchAddress batchAddress(const data::Batch& batch);

/// What the units behind a frozen prefix of `units` begin with, for every image of a batch: the features that the
/// loader found in its cache, and for the others what `prefix` makes of their normalised images, which the cache is
/// given too. The batch must outlive the tensor. What is computed on the CPU, or goes into the cache, and is not
/// finite is ERR_NON_FINITE, by the image.
using Prefix = std::function<at::Tensor(const at::Tensor& images)>;
at::Tensor prefixOutput(const model::Network& model, data::Batch& batch, int units, at::ScalarType compute,
                        const Prefix& prefix, Feed& feed);

}  // namespace resnet_torch::train
