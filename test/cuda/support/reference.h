#pragma once

#include <cstdint>
#include <map>
#include <string>
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

/// One parameter's step as torch's or timm's own loop makes it, in float32.
struct Parameter {
  std::vector<float> values, gradient;
  std::vector<std::vector<float>> slots;
  float steps = 0;   ///< before this one
  float scalar = 0;  ///< of rules that have a number of their own
  double rate = 0, weightDecay = 0;
};
struct Optimizer {
  std::string kind;
  std::map<std::string, double> settings;
};
void step(const Optimizer& optimizer, Parameter& parameter);

}  // namespace reference
