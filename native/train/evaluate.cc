#include "train/evaluate.h"

#include "model/compiled.h"
#include "model/device_kernels.h"
#include "train/loss.h"

namespace resnet_torch::train {

namespace {

at::Tensor evaluationLogits(model::ResNet50& model, data::Batch& batch, at::ScalarType compute, Feed& feed) {
  const int units = batch.cache ? batch.cache->units() : 0;
  const auto prefix = [&](const at::Tensor& images) {
    return model::compiledUnits(model, 0, units, compute)->run(images);
  };
  const auto input = prefixOutput(model, batch, units, compute, prefix, feed);
  return model::compiledLogitsFrom(model, units, input, compute);
}

}  // namespace

void evaluateBatch(model::ResNet50& model, data::Batch& batch, at::ScalarType compute, Feed& feed, Evaluation& into) {
  const at::NoGradGuard noGrad;
  const auto target = model::uploaded(batchLabels(model, batch), model.device());
  const auto logits = evaluationLogits(model, batch, compute, feed);
  into.images += logits.size(0);
  into.lossSum += at::cross_entropy_loss(logits, target, {}, at::Reduction::Sum).item<double>();
  into.top5 += countTopK(logits, target, 5);
  const auto predicted = logits.argmax(1);
  into.top1 += predicted.eq(target).sum().item<std::int64_t>();
  const auto narrow = predicted.to(at::TensorOptions().dtype(at::kInt).device(at::kCPU)).contiguous();
  const auto* from = narrow.const_data_ptr<std::int32_t>();
  into.predictions.insert(into.predictions.end(), from, from + narrow.numel());
}

}  // namespace resnet_torch::train
