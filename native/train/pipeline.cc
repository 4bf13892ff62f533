#include "train/pipeline.h"

#include <cstring>
#include <numeric>

#include "core/errors.h"
#include "model/frozen_units.h"
#include "train/loss.h"

namespace resnet_torch::train {

Taken takeBatch(data::Loader& loader, Executor& executor, Feed& feed) {
  feed.arrive();
  Taken taken;
  taken.batch = loader.tryNext();
  if (taken.batch || loader.exhausted()) return taken;
  taken.waiting = true;
  loader.whenReady([&executor] { executor.wake(); });
  return taken;
}

DeviceFeed* Feed::way() {
  if (!way_)
    if (const auto* device = feeding(device_)) way_ = device->make(device_);
  return way_.get();
}

at::Tensor Feed::images(data::Batch& batch, at::ScalarType compute) {
  const auto count = batch.cache ? static_cast<std::int64_t>(batch.missing.size()) : batch.count;
  const std::vector<std::int64_t> sizes = {count, batch.size, batch.size, 3};
  if (auto* way = this->way())
    return way->pass(std::move(batch.images), [&](const at::Tensor& bytes) {
      return model::normalise(bytes.view(sizes), compute, channels_);
    });
  return model::normalise(at::from_blob(batch.images.data(), sizes, at::kByte), compute, channels_);
}

at::Tensor Feed::features(data::Batch& batch, at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType dtype) {
  if (auto* way = this->way())
    return way->pass(std::move(batch.features), [&](const at::Tensor& bytes) {
      // A whole step reads them: they leave the place that the next but one batch is to have.
      return bytes.view(dtype).as_strided(sizes, strides).clone();
    });
  return at::from_blob(batch.features.data(), sizes, strides, dtype);
}

void Feed::arrive() {
  if (way_) way_->arrive();
}

at::Tensor batchLabels(const model::ResNet50& model, const data::Batch& batch) {
  return labelTensor(batch.labels, model.headShape().classes);
}

BatchAddress batchAddress(const data::Batch& batch) {
  return {batch.epoch, {batch.indices.begin(), batch.indices.end()}};
}

namespace {

/// How a batch's features lie: channels-last where they are [c, h, w].
struct FeatureLayout {
  std::vector<std::int64_t> sizes, strides;
  at::ScalarType dtype;
};

FeatureLayout featureLayout(const model::ResNet50& model, const data::Batch& batch, int units,
                            at::ScalarType compute) {
  auto sizes = model::outputSizes(units, batch.size);
  const bool pooled = sizes.size() == 1;
  const auto dtype = pooled ? model.dtype() : compute;
  const auto values = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
  if (batch.cache->units() != units ||
      batch.cache->entryBytes() != static_cast<std::size_t>(values) * c10::elementSize(dtype))
    throw Error("ERR_INTERNAL", "The feature cache is for another frozen prefix");
  sizes.insert(sizes.begin(), batch.count);
  std::vector<std::int64_t> strides = {values, 1};
  if (!pooled) strides.insert(strides.end(), {sizes[3] * sizes[1], sizes[1]});
  return {std::move(sizes), std::move(strides), dtype};
}

}  // namespace

at::Tensor prefixOutput(const model::ResNet50& model, data::Batch& batch, int units, at::ScalarType compute,
                        const Prefix& prefix, Feed& feed) {
  if (!batch.cache) return prefix(feed.images(batch, compute));
  const auto layout = featureLayout(model, batch, units, compute);
  batch.cache->used(static_cast<std::uint64_t>(batch.count) - batch.missing.size(), batch.missing.size());
  if (!batch.missing.empty()) {
    const auto computed = prefix(feed.images(batch, compute)).cpu();
    const auto bytes = batch.cache->entryBytes();
    const auto* from = static_cast<const std::uint8_t*>(computed.const_data_ptr());
    for (std::size_t i = 0; i < batch.missing.size(); ++i) {
      const auto at = static_cast<std::size_t>(batch.missing[i]);
      std::memcpy(batch.features.data() + at * bytes, from + i * bytes, bytes);
      batch.cache->write(batch.keys[at], from + i * bytes);
    }
  }
  return feed.features(batch, layout.sizes, layout.strides, layout.dtype);
}

}  // namespace resnet_torch::train
