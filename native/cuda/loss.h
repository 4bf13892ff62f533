#pragma once

#include <cstddef>

#include "cuda/context.h"

namespace resnet_torch::cuda {

/// What a batch is held against: labels [rows] in [0, classes), or probabilities [rows, classes].
struct Targets {
  const std::int64_t* labels = nullptr;
  const float* probabilities = nullptr;
  float smoothing = 0;                  ///< 0 to 1
  const float* classWeights = nullptr;  ///< [classes], or null
};

/// Of one batch. With probabilities, the label counted is the most likely class.
struct BatchResult {
  float loss = 0;  ///< the mean as torch.nn.functional.cross_entropy takes it
  std::int32_t top1 = 0, top5 = 0;
  std::int32_t images = 0;
};

/// Bytes that a loss needs to pass between its launches.
std::size_t lossWorkspace(std::int64_t rows);

/// Cross-entropy of logits [rows, classes] (T: float, __half, __nv_bfloat16), its gradient, and which labels are
/// among the highest: of equals those of lower number count as higher, and what is not a number as the highest.
/// `gradient` may be null; `gradientScale`, where given, multiplies it. The result goes to results[*slot], results[0]
/// without a slot. All pointers are device memory, and nothing is read back.
template <class T>
void crossEntropy(const T* logits, std::int64_t rows, int classes, const Targets& targets, const float* gradientScale,
                  T* gradient, BatchResult* results, const int* slot, void* workspace, const Context& context);

/// The focal loss of labels, as train/losses/focal.cc has it, with the rest as for crossEntropy. Without smoothing.
template <class T>
void focalLoss(const T* logits, std::int64_t rows, int classes, const Targets& targets, float gamma,
               const float* gradientScale, T* gradient, BatchResult* results, const int* slot, void* workspace,
               const Context& context);

}  // namespace resnet_torch::cuda
