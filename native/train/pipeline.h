#pragma once

#include "model/aten.h"

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
at::Tensor batchImages(const model::ResNet50& model, const data::Batch& batch, bool bf16);
at::Tensor batchLabels(const model::ResNet50& model, const data::Batch& batch);
BatchAddress batchAddress(const data::Batch& batch);

}  // namespace resnet_torch::train
