#include "train/pipeline.h"

#include "train/loss.h"

namespace resnet_torch::train {

Taken takeBatch(data::Loader& loader, Executor& executor) {
  Taken taken;
  taken.batch = loader.tryNext();
  if (taken.batch || loader.exhausted()) return taken;
  taken.waiting = true;
  loader.whenReady([&executor] { executor.wake(); });
  return taken;
}

at::Tensor batchImages(const model::ResNet50& model, const data::Batch& batch, bool bf16) {
  const auto bytes = at::from_blob(const_cast<std::uint8_t*>(batch.images.data()),
                                   {batch.count, batch.size, batch.size, 3}, at::kByte);
  return model::normalise(bytes.to(model.device()), bf16 ? at::kBFloat16 : model.dtype());
}

at::Tensor batchLabels(const model::ResNet50& model, const data::Batch& batch) {
  return labelTensor(batch.labels, model.headShape().classes);
}

BatchAddress batchAddress(const data::Batch& batch) {
  return {batch.epoch, {batch.indices.begin(), batch.indices.end()}};
}

}  // namespace resnet_torch::train
