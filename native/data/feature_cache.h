#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "data/feature_store.h"
#include "data/feature_tier.h"

namespace resnet_torch::data {

struct FeatureCacheOptions {
  enum class Mode { kMemory, kDisk };
  Mode mode = Mode::kMemory;
  std::size_t entryBytes = 0;     ///< of every entry
  int units = 0;                  ///< of the frozen prefix, whose outputs are the entries
  std::string directory;          ///< of this store alone; kDisk
  std::string storeKey;           ///< kDisk
  std::uint64_t memoryLimit = 0;  ///< bytes; kMemory
};

struct FeatureCacheStats {
  std::uint64_t hits = 0, misses = 0;      ///< reads since the beginning, those ahead of the trainer included
  std::uint64_t served = 0, computed = 0;  ///< images of used() batches that were found, and were not
  std::uint64_t entries = 0, bytes = 0;    ///< those in a device's memory included
  std::uint64_t hostBytes = 0;             ///< those of `bytes` that are not
  std::uint64_t damaged = 0;               ///< entries that were found damaged, and dropped
  std::string stopped;                     ///< why nothing more is taken, or empty
};

/// Outputs of the frozen prefix by file and view. An entry that is there stays until the end, unless it is found
/// damaged. All of it may be called from any thread; a cache is of no use before it is opened.
class FeatureCache {
 public:
  explicit FeatureCache(FeatureCacheOptions options);

  int units() const { return options_.units; }
  std::size_t entryBytes() const { return options_.entryBytes; }
  FeatureCacheOptions::Mode mode() const { return options_.mode; }

  /// Takes up what is on disk, which may take a while. A directory that cannot be used is told of in `stopped`.
  void open();
  /// Copies `entryBytes` to `to`; false where the entry is absent, or was damaged and is dropped.
  bool read(const FeatureKey& key, std::uint8_t* to);
  /// Keeps a copy of `entryBytes` where there is room. Does not wait for a disk, does not fail.
  void write(const FeatureKey& key, const std::uint8_t* from) noexcept;
  /// Counts a batch when it is used, which loaders read long before.
  void used(std::uint64_t served, std::uint64_t computed);
  FeatureCacheStats stats() const;
  /// Entries that a device holds: of a cache in memory in place of the host, of one on disk beside it. Null until one
  /// is given, and the same from then on.
  std::shared_ptr<FeatureTier> tier() const;
  /// Where there is one already, it stays.
  void setTier(std::shared_ptr<FeatureTier> tier);
  /// The tier's row of an entry that it holds; counts as read() does where it does.
  std::optional<std::int32_t> findIn(const FeatureTier& tier, const FeatureKey& key);
  /// Waits until all is on disk, and takes nothing more. What is there can still be read.
  void close();

 private:
  const FeatureCacheOptions options_;
  const std::unique_ptr<FeatureStore> store_;
  mutable std::mutex mutex_;
  std::shared_ptr<FeatureTier> tier_;
  std::atomic<bool> opened_{false};
  std::atomic<std::uint64_t> hits_{0}, misses_{0}, damaged_{0}, served_{0}, computed_{0};
};

}  // namespace resnet_torch::data
