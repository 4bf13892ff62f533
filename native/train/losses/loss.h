#pragma once

#include "core/tensor.h"

#include <optional>
#include <string_view>

#include "train/targets.h"

namespace resnet_torch::train {

/// A loss as plain data: what src/losses makes of options. What a loss does not know stays as it is here.
struct LossSettings {
  std::string name = "cross-entropy";
  double labelSmoothing = 0;         ///< 0 to 1, of cross-entropy
  double gamma = 0;                  ///< 0 or more, of the focal loss
  std::vector<double> classWeights;  ///< one a class, above 0; none: all count alike
};

/// Of one batch.
struct LossAndGradient {
  double loss = 0;
  at::Tensor gradient;  ///< by the logits, [n, c]
};

/// What training makes small. A loss is a file of this folder and a row of lossRow(), and for CUDA a launcher and a
/// row of cuda/losses.cc.
class Loss {
 public:
  virtual ~Loss() = default;
  /// The loss of logits [n, c] as a mean over the batch, and its gradient, written out.
  virtual LossAndGradient withGradient(const at::Tensor& logits, const Targets& targets) const = 0;
  /// The same loss, of operations that autograd knows.
  virtual at::Tensor differentiable(const at::Tensor& logits, const Targets& targets) const = 0;
};

struct LossRow {
  std::string_view name;
  std::unique_ptr<Loss> (*make)(const LossSettings& settings);
};
/// ERR_INVALID_ARGUMENT for a name that no loss has.
const LossRow& lossRow(std::string_view name);

std::unique_ptr<Loss> makeCrossEntropy(const LossSettings& settings);
std::unique_ptr<Loss> makeFocalLoss(const LossSettings& settings);

/// The weights of classes as the logits are, or nothing.
std::optional<at::Tensor> classWeightsLike(const at::Tensor& logits, const LossSettings& settings);

}  // namespace resnet_torch::train
