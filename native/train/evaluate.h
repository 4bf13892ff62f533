#pragma once

#include "data/loader.h"
#include "model/aten.h"
#include "model/network.h"
#include "train/pipeline.h"

namespace resnet_torch::train {

/// What an evaluation has left on a device, for the host to read in the end.
struct UnreadBatches {
  std::vector<at::Tensor> sums;           ///< of each batch float64 [3]: the sum of its losses, top-1, top-5
  std::vector<at::Tensor> predictions;    ///< of each batch int32 [n]
  std::vector<at::Tensor> probabilities;  ///< of each batch float32 [n, classes], where they are kept
  std::vector<std::int64_t> begins;       ///< the first image of each, among all of these
  data::Batch images;                     ///< what they are called: files and indices alone
  at::Tensor broken;                      ///< int64: the first image whose logits are not finite, or −1
  at::Tensor brokenInput;                 ///< [1, …]: what its logits were computed from
  int units = 0;                          ///< that were computed before
  at::ScalarType compute = at::kFloat;
};

/// Sums over batches in evaluation mode.
struct Evaluation {
  std::int64_t images = 0, top1 = 0, top5 = 0;
  double lossSum = 0;
  std::vector<std::int32_t> predictions;
  bool keepsProbabilities = false;   ///< whether `probabilities` is filled; costs nothing where it is not
  std::vector<float> probabilities;  ///< row-major [images, classes]: softmax in float64, rounded once
  UnreadBatches unread;              ///< until finishEvaluation()
};

/// Adds a batch; every sample is counted once. Logits or a loss that are not finite are ERR_NON_FINITE, by the image,
/// and nothing is added. On a device nobody waits for it, and finishEvaluation() says so.
void evaluateBatch(model::Network& model, data::Batch& batch, at::ScalarType compute, Feed& feed, Evaluation& into);

/// Adds what a device has summed up, which it is waited for once. Before the sums are read; on the CPU they are
/// there.
void finishEvaluation(const model::Network& model, Evaluation& into);

}  // namespace resnet_torch::train
