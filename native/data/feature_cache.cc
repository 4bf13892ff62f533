#include "data/feature_cache.h"

#include <exception>

namespace resnet_torch::data {

namespace {

std::unique_ptr<FeatureStore> makeStore(const FeatureCacheOptions& options) {
  if (options.mode == FeatureCacheOptions::Mode::kMemory)
    return makeMemoryStore(options.entryBytes, options.memoryLimit);
  return makeDiskStore(options.entryBytes, options.directory, options.storeKey);
}

}  // namespace

FeatureCache::FeatureCache(FeatureCacheOptions options) : options_(std::move(options)), store_(makeStore(options_)) {}

void FeatureCache::open() {
  if (opened_.exchange(true)) return;
  store_->open();
}

bool FeatureCache::read(const FeatureKey& key, std::uint8_t* to) {
  const auto found = store_->read(key, to);
  if (found == FeatureStore::Found::kDamaged) ++damaged_;
  const bool hit = found == FeatureStore::Found::kYes;
  ++(hit ? hits_ : misses_);
  return hit;
}

void FeatureCache::write(const FeatureKey& key, const std::uint8_t* from) noexcept {
  try {
    store_->write(key, from);
  } catch (const std::exception&) {
    // No memory for it: the entry is computed again when it is wanted.
  }
}

std::shared_ptr<FeatureTier> FeatureCache::tier() const {
  std::lock_guard lock(mutex_);
  return tier_;
}

void FeatureCache::setTier(std::shared_ptr<FeatureTier> tier) {
  std::lock_guard lock(mutex_);
  if (!tier_) tier_ = std::move(tier);
}

std::optional<std::int32_t> FeatureCache::findIn(const FeatureTier& tier, const FeatureKey& key) {
  const auto row = tier.find(key);
  if (row) ++hits_;
  return row;
}

void FeatureCache::used(std::uint64_t served, std::uint64_t computed) {
  served_ += served;
  computed_ += computed;
}

FeatureCacheStats FeatureCache::stats() const {
  FeatureCacheStats stats;
  stats.hits = hits_;
  stats.misses = misses_;
  stats.served = served_;
  stats.computed = computed_;
  stats.entries = store_->entries();
  stats.hostBytes = stats.entries * options_.entryBytes;
  // Entries of a device's are on disk, too; of a cache in memory each is in one place.
  const auto tier = this->tier();
  if (tier && options_.mode == FeatureCacheOptions::Mode::kMemory) stats.entries += tier->entries();
  stats.bytes = stats.entries * options_.entryBytes;
  stats.damaged = damaged_ + store_->damagedAtOpening();
  stats.stopped = store_->stopped();
  return stats;
}

void FeatureCache::close() {
  store_->close();
}

}  // namespace resnet_torch::data
