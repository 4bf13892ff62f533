#include "reference.h"

#include <ATen/ATen.h>

namespace reference {

namespace {

at::Tensor tensor(const Values& values, at::IntArrayRef shape) {
  return at::from_blob(const_cast<double*>(values.data()), shape, at::kDouble).clone();
}

/// [rows, channels] as the [rows, channels, 1, 1] that BatchNorm takes.
at::Tensor wide(const Values& values, std::int64_t rows, int channels) {
  return tensor(values, {rows, channels, 1, 1});
}

Values values(const at::Tensor& from) {
  const auto flat = from.detach().to(at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

at::ScalarType scalarType(Type type) {
  if (type == Type::kHalf) return at::kHalf;
  return type == Type::kBfloat16 ? at::kBFloat16 : at::kFloat;
}

at::Tensor floats(std::vector<float>& from) {
  return at::from_blob(from.data(), {static_cast<std::int64_t>(from.size())}, at::kFloat);
}

constexpr double kEpsilon = 1e-5, kMomentum = 0.1;

}  // namespace

Values normalise(const std::vector<std::uint8_t>& bytes, Type type) {
  const auto pixels = at::from_blob(const_cast<std::uint8_t*>(bytes.data()),
                                    {static_cast<std::int64_t>(bytes.size()) / 3, 3}, at::kByte);
  const auto mean = at::tensor({0.485, 0.456, 0.406}, at::kDouble).to(at::kFloat);
  const auto deviation = at::tensor({0.229, 0.224, 0.225}, at::kDouble).to(at::kFloat);
  return values(pixels.to(at::kFloat).div_(255).sub_(mean).div_(deviation).to(scalarType(type)));
}

Norm batchNorm(const Values& x, std::int64_t rows, int channels, const Values& weight, const Values& bias,
               const Values& runningMean, const Values& runningVar) {
  auto mean = tensor(runningMean, {channels}), variance = tensor(runningVar, {channels});
  const auto [output, saveMean, saveInverse] =
      at::native_batch_norm(wide(x, rows, channels), tensor(weight, {channels}), tensor(bias, {channels}), mean,
                            variance, /*training=*/true, kMomentum, kEpsilon);
  return {values(saveMean), values(saveInverse), values(mean), values(variance), values(output)};
}

NormGradients batchNormBackward(const Values& g, const Values& x, std::int64_t rows, int channels,
                                const Values& weight) {
  const auto input = wide(x, rows, channels), scale = tensor(weight, {channels});
  const auto [output, mean, inverse] =
      at::native_batch_norm(input, scale, at::zeros_like(scale), {}, {}, /*training=*/true, kMomentum, kEpsilon);
  const auto [dx, dWeight, dBias] = at::native_batch_norm_backward(
      wide(g, rows, channels), input, scale, {}, {}, mean, inverse, /*train=*/true, kEpsilon, {true, true, true});
  return {values(dx), values(dWeight), values(dBias)};
}

Pool maxPool(const Values& x, int images, int height, int width, int channels, const Values& dy) {
  const auto input = tensor(x, {images, height, width, channels}).permute({0, 3, 1, 2}).contiguous();
  const auto [y, indices] = at::max_pool2d_with_indices(input, {3, 3}, {2, 2}, {1, 1});
  Pool answer{values(y.permute({0, 2, 3, 1})), {}};
  if (dy.empty()) return answer;
  const auto gradient = tensor(dy, {images, y.size(2), y.size(3), channels}).permute({0, 3, 1, 2}).contiguous();
  const auto dx = at::max_pool2d_with_indices_backward(gradient, input, {3, 3}, {2, 2}, {1, 1}, {1, 1},
                                                       /*ceil_mode=*/false, indices);
  answer.dx = values(dx.permute({0, 2, 3, 1}));
  return answer;
}

namespace {

/// The loss of a leaf, with its gradient and how many labels are among the highest.
Loss finished(const at::Tensor& leaf, const at::Tensor& loss, const at::Tensor& labels) {
  loss.backward();
  const auto among = [&](std::int64_t k) {
    const auto highest = std::get<1>(leaf.detach().topk(std::min<std::int64_t>(k, leaf.size(1)), 1));
    return highest.eq(labels.unsqueeze(1)).sum().item<std::int64_t>();
  };
  return {loss.item<double>(), values(leaf.grad()), among(1), among(5)};
}

at::Tensor indices(const std::vector<std::int64_t>& labels) {
  const auto count = static_cast<std::int64_t>(labels.size());
  return at::from_blob(const_cast<std::int64_t*>(labels.data()), {count}, at::kLong).clone();
}

}  // namespace

Loss crossEntropy(const Values& logits, std::int64_t rows, int classes, const std::vector<std::int64_t>& labels,
                  const Values& probabilities, double smoothing, const Values& classWeights) {
  const auto leaf = tensor(logits, {rows, classes}).requires_grad_();
  const auto weights = classWeights.empty() ? at::Tensor{} : tensor(classWeights, {classes});
  const auto target = labels.empty() ? tensor(probabilities, {rows, classes}) : indices(labels);
  const auto loss =
      at::cross_entropy_loss(leaf, target, weights, at::Reduction::Mean, /*ignore_index=*/-100, smoothing);
  return finished(leaf, loss, labels.empty() ? target.argmax(1) : target);
}

Loss focalLoss(const Values& logits, std::int64_t rows, int classes, const std::vector<std::int64_t>& labels,
               double gamma, const Values& classWeights) {
  const auto leaf = tensor(logits, {rows, classes}).requires_grad_();
  const auto target = indices(labels);
  const auto own = leaf.log_softmax(1).gather(1, target.unsqueeze(1)).squeeze(1);
  const auto alpha =
      classWeights.empty() ? at::ones_like(own) : tensor(classWeights, {classes}).index_select(0, target);
  return finished(leaf, -(alpha * (1 - own.exp()).pow(gamma) * own).mean(), target);
}

namespace {

/// A parameter's tensors, and an optimizer's settings by name.
struct Step {
  Step(const Optimizer& optimizer, Parameter& parameter)
      : of(parameter),
        given(optimizer.settings),
        values(floats(parameter.values)),
        gradient(floats(parameter.gradient)) {
    for (auto& slot : parameter.slots) slots.push_back(floats(slot));
  }
  double setting(const char* name) const { return given.at(name); }

  Parameter& of;
  const std::map<std::string, double>& given;
  at::Tensor values, gradient;
  std::vector<at::Tensor> slots;
};

void sgd(Step step) {
  at::_fused_sgd_({step.values}, {step.gradient}, step.slots, step.of.weightDecay, step.setting("momentum"),
                  step.of.rate, step.setting("dampening"), step.setting("nesterov") != 0, /*maximize=*/false,
                  /*is_first_step=*/step.of.steps == 0);
}

template <class Fused>
void adam(Step step, Fused fused) {
  const auto steps = at::full({}, step.of.steps + 1, at::kFloat);
  fused(at::TensorList{step.values}, at::TensorList{step.gradient}, at::TensorList{step.slots[0]},
        at::TensorList{step.slots[1]}, at::TensorList{}, at::TensorList{steps}, step.of.rate, step.setting("beta1"),
        step.setting("beta2"), step.of.weightDecay, step.setting("eps"), /*amsgrad=*/false, /*maximize=*/false);
}

/// torch.optim.RMSprop's loop.
void rmsprop(Step step) {
  const double alpha = step.setting("alpha"), momentum = step.setting("momentum");
  auto gradient = step.gradient.add(step.values, step.of.weightDecay);
  auto square = step.slots[0].mul_(alpha).addcmul_(gradient, gradient, 1 - alpha);
  if (step.setting("centered") != 0) {
    step.slots[1].lerp_(gradient, 1 - alpha);
    square = square.addcmul(step.slots[1], step.slots[1], -1);
  }
  const auto root = square.sqrt().add_(step.setting("eps"));
  if (momentum == 0) {
    step.values.addcdiv_(gradient, root, -step.of.rate);
  } else {
    step.slots.back().mul_(momentum).addcdiv_(gradient, root);
    step.values.add_(step.slots.back(), -step.of.rate);
  }
}

/// torch.optim.NAdam's.
void nadam(Step step) {
  const double beta1 = step.setting("beta1"), beta2 = step.setting("beta2"), count = step.of.steps + 1.0;
  const auto momentumAt = [&](double at) {
    return beta1 * (1 - 0.5 * std::pow(0.96, at * step.setting("momentumDecay")));
  };
  const double momentum = momentumAt(count), next = momentumAt(count + 1);
  auto gradient = step.gradient;
  if (step.setting("decoupledWeightDecay") != 0) {
    step.values.mul_(1 - step.of.rate * step.of.weightDecay);
  } else {
    gradient = gradient.add(step.values, step.of.weightDecay);
  }
  step.of.scalar *= static_cast<float>(momentum);
  step.slots[0].lerp_(gradient, 1 - beta1);
  step.slots[1].mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
  const auto root = step.slots[1].div(1 - std::pow(beta2, count)).sqrt().add_(step.setting("eps"));
  step.values.addcdiv_(gradient, root, -step.of.rate * (1 - momentum) / (1 - step.of.scalar));
  step.values.addcdiv_(step.slots[0], root, -step.of.rate * next / (1 - step.of.scalar * next));
}

/// timm.optim.Lion's.
void lion(Step step) {
  const double beta1 = step.setting("beta1"), beta2 = step.setting("beta2");
  step.values.mul_(1 - step.of.rate * step.of.weightDecay);
  const auto direction = step.slots[0].mul(beta1).add_(step.gradient, 1 - beta1);
  step.values.add_(direction.sign(), -step.of.rate);
  step.slots[0].lerp_(step.gradient, 1 - beta2);
}

}  // namespace

void step(const Optimizer& optimizer, Parameter& parameter) {
  const Step step(optimizer, parameter);
  if (optimizer.kind == "sgd") return sgd(step);
  if (optimizer.kind == "adam") return adam(step, [](auto&&... arguments) { at::_fused_adam_(arguments...); });
  if (optimizer.kind == "adamw") return adam(step, [](auto&&... arguments) { at::_fused_adamw_(arguments...); });
  if (optimizer.kind == "rmsprop") return rmsprop(step);
  if (optimizer.kind == "nadam") return nadam(step);
  if (optimizer.kind == "lion") return lion(step);
  TORCH_CHECK(false, "no reference for ", optimizer.kind);
}

}  // namespace reference
