#pragma once

#include "model/aten.h"

#include <functional>
#include <optional>

#include "core/executor.h"
#include "data/loader.h"
#include "model/resnet50.h"
#include "train/session.h"

namespace resnet_torch::train {

// Where the loader's bytes become the model's tensors.

struct Taken {
  std::optional<data::Batch> batch;
  bool waiting = false;  ///< not ready yet; neither waiting nor a batch: the pass is over
};

/// The next batch where it is ready; otherwise the loader wakes the executor when it is.
Taken takeBatch(data::Loader& loader, Executor& executor);

/// Normalised images in the dtype in which the model computes.
at::Tensor batchImages(const model::ResNet50& model, const data::Batch& batch, at::ScalarType compute);
at::Tensor batchLabels(const model::ResNet50& model, const data::Batch& batch);
BatchAddress batchAddress(const data::Batch& batch);

/// What the units behind a frozen prefix of `units` begin with, for every image of a batch: the features that the
/// loader found in its cache, and for the others what `prefix` makes of their normalised images, which the cache is
/// given too. The batch must outlive the tensor.
using Prefix = std::function<at::Tensor(const at::Tensor& images)>;
at::Tensor prefixOutput(const model::ResNet50& model, data::Batch& batch, int units, at::ScalarType compute,
                        const Prefix& prefix);

}  // namespace resnet_torch::train
