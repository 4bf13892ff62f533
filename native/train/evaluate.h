#pragma once

#include "data/loader.h"
#include "model/aten.h"
#include "model/resnet50.h"
#include "train/pipeline.h"

namespace resnet_torch::train {

/// Sums over batches in evaluation mode.
struct Evaluation {
  std::int64_t images = 0, top1 = 0, top5 = 0;
  double lossSum = 0;
  std::vector<std::int32_t> predictions;
};

/// Adds a batch; every sample is counted once.
void evaluateBatch(model::ResNet50& model, data::Batch& batch, at::ScalarType compute, Feed& feed, Evaluation& into);

}  // namespace resnet_torch::train
