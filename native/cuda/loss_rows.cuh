#pragma once

#include "cuda/loss.h"
#include "cuda/packet.cuh"
#include "cuda/reduce.cuh"

// The losses of this folder, a warp a row: cross-entropy, whose loss and gradient a `Focus` multiplies row by row.
namespace resnet_torch::cuda {

struct RowResult {
  float loss;  ///< this row's part of the mean
  int rank;    ///< of the label among the logits, from 0
};

/// loss = −Σ coefficient · log p, of one row.
struct Coefficients {
  float smoothing, each;  ///< each: smoothing / classes
  int label;
  const float* probabilities;  ///< of this row, or null
  const float* classWeights;

  __device__ __forceinline__ float operator()(int c) const {
    const float weight = classWeights ? classWeights[c] : 1;
    const float target = probabilities ? probabilities[c] : (c == label ? 1.0F : 0.0F);
    return weight * ((1 - smoothing) * target + each);
  }
};

/// The place of the highest value, the first of equals.
struct Highest {
  float value;
  int place;
};
template <class Value>
__device__ __forceinline__ int highestPlace(int count, int lane, Value value) {
  Highest best{-HUGE_VALF, count};
  for (int c = lane; c < count; c += kWarp)
    if (best.place == count || value(c) > best.value) best = {value(c), c};
#pragma unroll
  for (int bits = kWarp / 2; bits > 0; bits /= 2) {
    const Highest other{__shfl_xor_sync(kWholeWarp, best.value, bits), __shfl_xor_sync(kWholeWarp, best.place, bits)};
    if (other.place == count) continue;
    const bool better =
        best.place == count || other.value > best.value || (other.value == best.value && other.place < best.place);
    if (better) best = other;
  }
  return best.place;
}

__device__ __forceinline__ float warpMaximum(float value) {
#pragma unroll
  for (int bits = kWarp / 2; bits > 0; bits /= 2) {
    const float other = __shfl_xor_sync(kWholeWarp, value, bits);
    value = other > value ? other : value;
  }
  return value;
}

/// What a row's loss and its gradient are multiplied by.
struct FocusFactors {
  float loss, gradient;
};

/// What the rows' losses are divided by: labels count by their classes' weights, or all one each, as probabilities
/// do.
template <class Focus>
__device__ __forceinline__ float totalWeight(const Targets& targets, std::int64_t rows) {
  if (Focus::kMeanOfImages || !targets.labels || !targets.classWeights) return static_cast<float>(rows);
  float sum = 0;
  for (auto row = static_cast<std::int64_t>(threadIdx.x); row < rows; row += kThreads)
    sum += targets.classWeights[targets.labels[row]];
  return blockSum(sum);
}

/// A warp a row. Every block takes the sum of the weights itself: blocks do not wait for one another.
template <class T, class Focus>
__global__ void __launch_bounds__(kThreads)
    lossOfRows(const T* __restrict__ logits, std::int64_t rows, int classes, Targets targets, Focus focus,
               const float* gradientScale, T* __restrict__ gradient, RowResult* results) {
  const float weight = totalWeight<Focus>(targets, rows);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const float scale = (gradientScale ? *gradientScale : 1) / weight;
  for (auto row = static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp; row < rows;
       row += static_cast<std::int64_t>(gridDim.x) * kWarps) {
    const T* from = logits + row * classes;
    const auto logit = [&](int c) { return toFloat(from[c]); };
    const float* probabilities = targets.probabilities ? targets.probabilities + row * classes : nullptr;
    const int label = probabilities ? highestPlace(classes, lane, [&](int c) { return probabilities[c]; })
                                    : static_cast<int>(targets.labels[row]);
    const Coefficients coefficient{targets.smoothing, targets.smoothing / static_cast<float>(classes), label,
                                   probabilities, targets.classWeights};
    float highest = -HUGE_VALF;
    for (int c = lane; c < classes; c += kWarp) highest = logit(c) > highest ? logit(c) : highest;
    highest = warpMaximum(highest);

    const float own = logit(label);
    float exponentials = 0, coefficients = 0, products = 0;
    int rank = 0;
    for (int c = lane; c < classes; c += kWarp) {
      const float value = logit(c), shifted = value - highest, a = coefficient(c);
      exponentials += expf(shifted);
      coefficients += a;
      // A logit of −∞ counts only where it is asked for.
      if (a != 0) products = fmaf(a, shifted, products);
      // Written so that what is not a number is not lower.
      if (c < label ? !(value < own) : c > label && !(value <= own)) ++rank;
    }
    exponentials = warpSum(exponentials);
    coefficients = warpSum(coefficients);
    products = warpSum(products);
    rank = warpSum(rank);
    const FocusFactors factors = focus(own - highest - logf(exponentials));
    if (lane == 0) results[row] = {factors.loss * (coefficients * logf(exponentials) - products) / weight, rank};
    if (!gradient) continue;
    const float perExponential = coefficients / exponentials, rowScale = factors.gradient * scale;
    for (int c = lane; c < classes; c += kWarp) {
      const float value = rowScale * (expf(logit(c) - highest) * perExponential - coefficient(c));
      gradient[row * classes + c] = fromFloat<T>(value);
    }
  }
}

/// Adds up the rows of a batch. In loss.cu.
void finishLoss(const RowResult* rows, std::int64_t count, BatchResult* results, const int* slot,
                const Context& context);

template <class T, class Focus>
void launchLoss(const T* logits, std::int64_t rows, int classes, const Targets& targets, const Focus& focus,
                const float* gradientScale, T* gradient, BatchResult* results, const int* slot, void* workspace,
                const Context& context) {
  require((targets.labels != nullptr) != (targets.probabilities != nullptr), "A loss takes labels or probabilities");
  auto* ofRows = static_cast<RowResult*>(workspace);
  if (rows > 0) {
    const auto blocks = blocksFor(rows, kWarps, 4 * context.multiprocessors);
    launch(lossOfRows<T, Focus>, dim3(blocks), dim3(kThreads), context.stream, logits, rows, classes, targets, focus,
           gradientScale, gradient, ofRows);
  }
  finishLoss(ofRows, rows, results, slot, context);
}

}  // namespace resnet_torch::cuda
