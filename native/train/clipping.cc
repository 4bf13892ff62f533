#include "train/clipping.h"

#include <cmath>
#include <unordered_set>

namespace resnet_torch::train {

void clipGradientNorm(const std::vector<optim::Group>& groups, double maxNorm) {
  const at::NoGradGuard noGrad;
  double squares = 0;
  const auto each = [&](const auto& take) {
    for (const auto& group : groups)
      for (const auto& parameter : group.parameters)
        if (parameter.tensor.grad().defined()) take(parameter.tensor.grad());
  };
  each([&](const at::Tensor& gradient) {
    // In float64, in which no squares of float32 overflow.
    const auto norm = at::linalg_vector_norm(gradient, 2, {}, /*keepdim=*/false, at::kDouble).item<double>();
    squares += norm * norm;
  });
  const double factor = maxNorm / (std::sqrt(squares) + 1e-6);  // PyTorch's, which a norm of 0 needs
  if (factor >= 1) return;
  // Biases that are added to each other share one gradient.
  std::unordered_set<const void*> scaled;
  each([&](const at::Tensor& gradient) {
    if (scaled.insert(gradient.const_data_ptr()).second) gradient.mul_(factor);
  });
}

}  // namespace resnet_torch::train
