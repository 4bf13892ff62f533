#pragma once

#include "model/aten.h"

#include <optional>

#include "model/folded_convolution.h"

namespace resnet_torch::model {

/// The first unit for inference: the convolution with its BatchNorm folded in, ReLU and max-pooling. In bfloat16 all
/// of it is one pass over the images where the processor has avx512_bf16; oneDNN fills its vectors with 3 channels
/// badly.
class FoldedStem {
 public:
  FoldedStem(const NormedConvolution& layer, at::ScalarType dtype);

  /// Normalised images [n, 3, h, w], channels-last and of the dtype → [n, c, h / 4, w / 4], halves rounded up.
  at::Tensor run(const at::Tensor& images);
  /// As FoldedConvolution's.
  bool finite() const;

 private:
  std::optional<FoldedConvolution> convolution_;  ///< where there is no packed weight
  at::Tensor packed_, bias_;
};

}  // namespace resnet_torch::model
