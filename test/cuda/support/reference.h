#pragma once

#include <cstdint>
#include <vector>

// What PyTorch answers on the CPU. Apart from the kernels' tests, so that they are compiled without ATen, and this
// without sanitizers.
namespace reference {

using Values = std::vector<double>;
enum class Type { kFloat, kHalf, kBfloat16 };

/// Bytes [pixels, 3] as torchvision normalises them, in float32 and rounded to the type.
Values normalise(const std::vector<std::uint8_t>& bytes, Type type);

/// torch.nn.functional.batch_norm of [rows, channels] in training, in float64.
struct Norm {
  Values mean, inverse, runningMean, runningVar, output;
};
Norm batchNorm(const Values& x, std::int64_t rows, int channels, const Values& weight, const Values& bias,
               const Values& runningMean, const Values& runningVar);

/// Its backward.
struct NormGradients {
  Values x, weight, bias;
};
NormGradients batchNormBackward(const Values& g, const Values& x, std::int64_t rows, int channels,
                                const Values& weight);

/// torch.nn.functional.max_pool2d(x, 3, 2, 1) of x [images, height, width, channels], and the gradient of x. Empty
/// without `dy`.
struct Pool {
  Values y, dx;
};
Pool maxPool(const Values& x, int images, int height, int width, int channels, const Values& dy);

/// torch.nn.functional.cross_entropy in float64, its gradient, and how many labels are among the highest.
struct Loss {
  double loss = 0;
  Values gradient;
  std::int64_t top1 = 0, top5 = 0;
};
Loss crossEntropy(const Values& logits, std::int64_t rows, int classes, const std::vector<std::int64_t>& labels,
                  const Values& probabilities, double smoothing, const Values& classWeights);

/// The focal loss of a softmax by autograd in float64: the mean over rows of −α·(1 − p)^γ·log p.
Loss focalLoss(const Values& logits, std::int64_t rows, int classes, const std::vector<std::int64_t>& labels,
               double gamma, const Values& classWeights);

/// One parameter's step by torch's fused kernels, in float32; `first` and `second` may be empty.
struct Parameter {
  std::vector<float> values, gradient, first, second;
  float steps = 0;  ///< before this one
  double rate = 0, weightDecay = 0;
};
struct Optimizer {
  enum class Kind { kSgd, kAdam, kAdamW } kind = Kind::kAdam;
  double momentum = 0, dampening = 0;
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
};
void step(const Optimizer& optimizer, Parameter& parameter);

}  // namespace reference
