#pragma once

#include "core/errors.h"
#include "data/loader.h"
#include "model/aten.h"
#include "model/network.h"

namespace resnet_torch::train {

/// Says of what a network answers that it is not finite: ERR_NON_FINITE.
struct NotFinite {
  std::string what;  ///< such as `The logits of ants/1.jpg`
  int units = 0;     ///< that were computed before `input`
  at::Tensor input;  ///< of one image, which the answer was computed from
  at::ScalarType compute = at::kFloat;
};
/// Computes the image once more, to name the unit.
Error notFiniteError(const model::Network& model, const NotFinite& found);

/// The same of the output of the frozen units.
Error frozenNotFinite(const std::string& image, at::ScalarType compute);

/// Of a loss, a gradient or what a BatchNorm is given, in training: ERR_NON_FINITE.
Error notFiniteInTraining(const std::string& what);

/// ERR_NON_FINITE where a caller's values, [n, …] in their own dtype, are not finite, or not in that of the model.
void requireFiniteImages(const at::Tensor& images);

/// What an image of a batch is called.
std::string imageName(const data::Batch& batch, std::int64_t row);

}  // namespace resnet_torch::train
