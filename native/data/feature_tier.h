#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>

#include "data/feature_key.h"

namespace resnet_torch::data {

/// Entries of a feature cache that a device holds in its own memory, by row. What is there stays as long as the tier
/// does. Who has the memory derives from it; loaders ask it from any thread.
class FeatureTier {
 public:
  virtual ~FeatureTier() = default;

  std::optional<std::int32_t> find(const FeatureKey& key) const {
    std::shared_lock lock(mutex_);
    const auto found = rows_.find(key);
    return found == rows_.end() ? std::nullopt : std::optional(found->second);
  }
  std::size_t entries() const {
    std::shared_lock lock(mutex_);
    return rows_.size();
  }

 protected:
  void hold(const FeatureKey& key, std::int32_t row) {
    std::unique_lock lock(mutex_);
    rows_.emplace(key, row);
  }

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<FeatureKey, std::int32_t, FeatureKeyHash> rows_;
};

}  // namespace resnet_torch::data
