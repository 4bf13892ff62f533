#include "model/convolution_gradient.h"

namespace resnet_torch::model {

namespace {

/// oneDNN's bfloat16 weight gradients fall behind plain matrix products where channels are many and positions few:
/// from so many weights on (measured; in float32 they do not).
constexpr std::int64_t kManyWeights = 256 * 1024;

/// [n, c, h, w] channels-last as a matrix, a row a position.
at::Tensor rows(const at::Tensor& x) {
  return x.permute({0, 2, 3, 1}).reshape({-1, x.size(1)});
}

/// The values under a k×k window at every output position, a row a position: [n · oh · ow, k · k · c].
at::Tensor windows(const at::Tensor& x, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                   at::IntArrayRef output) {
  const auto source =
      padding > 0
          ? at::constant_pad_nd(x, {padding, padding, padding, padding}).contiguous(at::MemoryFormat::ChannelsLast)
          : x;
  const auto channels = source.size(1), line = source.size(3) * channels;
  return source
      .as_strided({source.size(0), output[2], output[3], kernel, kernel, channels},
                  {source.size(2) * line, stride * line, stride * channels, line, channels, 1})
      .reshape({source.size(0) * output[2] * output[3], kernel * kernel * channels});
}

bool asProduct(const at::Tensor& x, const at::Tensor& weight, std::int64_t stride) {
  if (x.scalar_type() != at::kBFloat16 || !x.device().is_cpu()) return false;
  const auto kernel = weight.size(2);
  if (kernel == 1) return weight.numel() >= kManyWeights;
  return kernel == 3 && weight.size(0) >= 512 && (stride == 2 || weight.size(1) >= 512);
}

at::Tensor weightAsProduct(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                           std::int64_t stride, std::int64_t padding) {
  const auto kernel = weight.size(2);
  const auto columns = kernel == 1 && stride == 1 ? rows(x) : windows(x, kernel, stride, padding, gradient.sizes());
  return at::mm(rows(gradient).t(), columns)
      .view({weight.size(0), kernel, kernel, weight.size(1)})
      .permute({0, 3, 1, 2});
}

}  // namespace

ConvolutionGradients convolutionGradients(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                                          std::int64_t stride, std::int64_t padding, bool wantInput,
                                          bool wantWeight) {
  ConvolutionGradients answer;
  const bool product = wantWeight && asProduct(x, weight, stride);
  if (product) answer.weight = weightAsProduct(gradient, x, weight, stride, padding);
  if (wantInput || (wantWeight && !product)) {
    auto [input, weightGradient, bias] =
        at::convolution_backward(gradient, x, weight, at::OptionalIntArrayRef(), {stride, stride}, {padding, padding},
                                 {1, 1}, false, {0, 0}, 1, {wantInput, wantWeight && !product, false});
    answer.input = input;
    if (!product) answer.weight = weightGradient;
  }
  return answer;
}

}  // namespace resnet_torch::model
