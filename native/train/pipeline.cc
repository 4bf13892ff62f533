#include "train/pipeline.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/errors.h"
#include "model/finite.h"
#include "model/frozen_units.h"
#include "model/normalise.h"
#include "train/device_features.h"
#include "train/non_finite.h"

namespace resnet_torch::train {

NextBatch nextBatch(data::Loader& loader, Executor& executor, Feed& feed) {
  feed.arrive();
  NextBatch next;
  next.batch = loader.tryNext();
  if (next.batch || loader.exhausted()) return next;
  next.waiting = true;
  loader.whenReady([&executor] { executor.wake(); });
  return next;
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

void Feed::offerTier(data::FeatureCache& cache, std::int64_t values, at::ScalarType dtype) const {
  const auto* device = feeding(device_);
  if (!device || !device->deviceMemory || cache.tier()) return;
  cache.setTier(std::make_shared<DeviceFeatures>(device_, device->deviceMemory, values, dtype));
}

DeviceFeatures* Feed::tierOf(const data::Batch& batch) const {
  auto* tier = static_cast<DeviceFeatures*>(batch.tier.get());
  if (tier && tier->device() != device_)
    throw Error("ERR_INTERNAL", "The feature cache lies on " + tier->device().str() + " and not on " + device_.str());
  return tier;
}

void Feed::arrive() {
  if (way_) way_->arrive();
}

Targets batchTargets(const model::Network& model, const data::Batch& batch) {
  return tensorsOf(batch.targets, model.headShape().classes);
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

FeatureLayout featureLayout(const model::Network& model, const data::Batch& batch, int units,
                            at::ScalarType compute) {
  auto sizes = model.architecture().outputSizes(units, batch.size);
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

/// Some images of a batch, by position, and their features, [n, values] on the device.
struct Part {
  std::vector<std::int64_t> positions;
  at::Tensor features;
};

/// [count, values], in the order of the batch.
at::Tensor together(const std::vector<Part>& parts, std::int64_t count) {
  if (parts.size() == 1) return parts.front().features;
  const auto& first = parts.front().features;
  auto all = at::empty({count, first.size(1)}, first.options());
  for (const auto& part : parts)
    all.index_copy_(0, at::tensor(part.positions, at::kLong).to(first.device()), part.features);
  return all;
}

std::vector<data::FeatureKey> keysOf(const data::Batch& batch, const std::vector<std::int64_t>& positions) {
  std::vector<data::FeatureKey> keys;
  for (const auto position : positions) keys.push_back(batch.keys[static_cast<std::size_t>(position)]);
  return keys;
}

/// The features of a batch that was begun when the cache had a tier: those that the tier holds, those that were found
/// elsewhere, and those of missing images, which `compute` makes, [missing, …]. What is new to the tier goes there as
/// far as there is room, and else to the cache's store, which of one on disk has all.
template <class Compute>
at::Tensor tieredFeatures(data::Batch& batch, DeviceFeatures& tier, const FeatureLayout& layout, Feed& feed,
                          const Compute& compute) {
  std::vector<Part> parts;
  Part held, copied;
  std::vector<std::int32_t> rows;
  const std::vector<std::int64_t> missing(batch.missing.begin(), batch.missing.end());
  for (std::int64_t position = 0; position < batch.count; ++position) {
    if (batch.rows[static_cast<std::size_t>(position)] >= 0) {
      held.positions.push_back(position);
      rows.push_back(batch.rows[static_cast<std::size_t>(position)]);
    } else if (!std::binary_search(missing.begin(), missing.end(), position)) {
      copied.positions.push_back(position);
    }
  }
  if (!missing.empty()) {
    const at::Tensor computed = compute();
    if (computed.scalar_type() != layout.dtype || !computed.is_non_overlapping_and_dense())
      throw Error("ERR_INTERNAL", "The features do not lie as their cache has them");
    const auto flat =
        computed.as_strided({static_cast<std::int64_t>(missing.size()), tier.values()}, {tier.values(), 1});
    const auto keys = keysOf(batch, missing);
    const auto there = tier.keep(keys, flat);
    const bool onDisk = batch.cache->mode() == data::FeatureCacheOptions::Mode::kDisk;
    if (onDisk || std::find(there.begin(), there.end(), false) != there.end()) {
      const auto host = flat.cpu();
      const auto* from = static_cast<const std::uint8_t*>(host.const_data_ptr());
      const auto bytes = batch.cache->entryBytes();
      for (std::size_t i = 0; i < keys.size(); ++i)
        if (onDisk || !there[i]) batch.cache->write(keys[i], from + i * bytes);
    }
    parts.push_back({missing, flat});
  }
  if (!copied.positions.empty()) {
    const auto count = static_cast<std::int64_t>(copied.positions.size());
    copied.features = feed.features(batch, {count, tier.values()}, {tier.values(), 1}, layout.dtype);
    tier.keep(keysOf(batch, copied.positions), copied.features);
    parts.push_back(std::move(copied));
  }
  if (!held.positions.empty()) {
    held.features = tier.gather(rows);
    parts.push_back(std::move(held));
  }
  return together(parts, batch.count).as_strided(layout.sizes, layout.strides);
}

}  // namespace

at::Tensor prefixOutput(const model::Network& model, data::Batch& batch, int units, at::ScalarType compute,
                        const Prefix& prefix, Feed& feed) {
  // What a device computes, the host would have to wait for: there the loss tells.
  const auto requireFinite = [&](const at::Tensor& computed, bool missing) {
    if (units == 0 || !computed.device().is_cpu()) return;
    const auto broken = model::rowsNotFinite(computed);
    if (broken.empty()) return;
    const auto row = missing ? batch.missing[static_cast<std::size_t>(broken.front())] : broken.front();
    throw frozenNotFinite(imageName(batch, row), compute);
  };
  if (!batch.cache) {
    const auto computed = prefix(feed.images(batch, compute));
    requireFinite(computed, /*missing=*/false);
    return computed;
  }
  const auto layout = featureLayout(model, batch, units, compute);
  batch.cache->used(static_cast<std::uint64_t>(batch.count) - batch.missing.size(), batch.missing.size());
  if (auto* tier = feed.tierOf(batch)) {
    return tieredFeatures(batch, *tier, layout, feed, [&] {
      const auto computed = prefix(feed.images(batch, compute));
      // What goes into the cache is looked at once, and a device is waited for.
      if (!at::isfinite(computed).all().item<bool>()) requireFinite(computed.cpu(), /*missing=*/true);
      return computed;
    });
  }
  feed.offerTier(*batch.cache, layout.strides.front(), layout.dtype);
  if (!batch.missing.empty()) {
    const auto computed = prefix(feed.images(batch, compute)).cpu();
    requireFinite(computed, /*missing=*/true);
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
