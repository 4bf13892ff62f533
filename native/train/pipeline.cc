#include "train/pipeline.h"

#include <cstring>
#include <numeric>

#include "core/errors.h"
#include "model/device_kernels.h"
#include "model/frozen_units.h"
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

at::Tensor batchImages(const model::ResNet50& model, const data::Batch& batch, at::ScalarType compute) {
  const auto images = batch.cache ? static_cast<std::int64_t>(batch.missing.size()) : batch.count;
  const auto bytes =
      at::from_blob(const_cast<std::uint8_t*>(batch.images.data()), {images, batch.size, batch.size, 3}, at::kByte);
  return model::normalise(model::uploaded(bytes, model.device()), compute);
}

at::Tensor batchLabels(const model::ResNet50& model, const data::Batch& batch) {
  return labelTensor(batch.labels, model.headShape().classes);
}

BatchAddress batchAddress(const data::Batch& batch) {
  return {batch.epoch, {batch.indices.begin(), batch.indices.end()}};
}

namespace {

/// A tensor over a batch's features, channels-last where they are [c, h, w].
at::Tensor featuresOf(const model::ResNet50& model, data::Batch& batch, int units, at::ScalarType compute) {
  auto sizes = model::outputSizes(units, batch.size);
  const bool pooled = sizes.size() == 1;
  const auto dtype = pooled ? model.dtype() : compute;
  const auto values = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
  if (batch.cache->units() != units ||
      batch.cache->entryBytes() != static_cast<std::size_t>(values) * c10::elementSize(dtype))
    throw Error("ERR_INTERNAL", "The feature cache is for another frozen prefix");
  sizes.insert(sizes.begin(), batch.count);
  const std::vector<std::int64_t> strides = pooled
                                                ? std::vector<std::int64_t>{values, 1}
                                                : std::vector<std::int64_t>{values, 1, sizes[3] * sizes[1], sizes[1]};
  return at::from_blob(batch.features.data(), sizes, strides, dtype);
}

}  // namespace

at::Tensor prefixOutput(const model::ResNet50& model, data::Batch& batch, int units, at::ScalarType compute,
                        const Prefix& prefix) {
  if (!batch.cache) return prefix(batchImages(model, batch, compute));
  auto features = featuresOf(model, batch, units, compute);
  batch.cache->used(static_cast<std::uint64_t>(batch.count) - batch.missing.size(), batch.missing.size());
  if (!batch.missing.empty()) {
    const auto computed = prefix(batchImages(model, batch, compute)).cpu();
    const auto bytes = batch.cache->entryBytes();
    const auto* from = static_cast<const std::uint8_t*>(computed.const_data_ptr());
    for (std::size_t i = 0; i < batch.missing.size(); ++i) {
      const auto at = static_cast<std::size_t>(batch.missing[i]);
      std::memcpy(batch.features.data() + at * bytes, from + i * bytes, bytes);
      batch.cache->write(batch.keys[at], from + i * bytes);
    }
  }
  return model::uploaded(features, model.device());
}

}  // namespace resnet_torch::train
