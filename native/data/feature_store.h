#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "data/feature_key.h"

namespace resnet_torch::data {

/// Where a feature cache keeps its entries, each of the same size. All of it may be called from any thread.
class FeatureStore {
 public:
  enum class Found { kYes, kNo, kDamaged };

  virtual ~FeatureStore() = default;

  /// Takes up what an earlier process left.
  virtual void open() {}
  /// Copies an entry. A damaged one is dropped.
  virtual Found read(const FeatureKey& key, std::uint8_t* to) = 0;
  /// Keeps a copy. Where that fails, the store takes nothing more and says why in `stopped()`; it keeps what it has.
  virtual void write(const FeatureKey& key, const std::uint8_t* from) = 0;
  /// Waits until all that was written is kept, and takes nothing more.
  virtual void close() {}

  virtual std::size_t entries() const = 0;
  /// Why nothing more is taken, or empty.
  virtual std::string stopped() const = 0;
  /// Entries that `open()` found damaged.
  virtual std::size_t damagedAtOpening() const { return 0; }
};

/// Entries in memory, at most so many bytes of them.
std::unique_ptr<FeatureStore> makeMemoryStore(std::size_t entryBytes, std::uint64_t limit);

/// Entries in files of `directory`, which is made where it is missing. `storeKey` is what every file of it begins
/// with: another store's files are not read.
std::unique_ptr<FeatureStore> makeDiskStore(std::size_t entryBytes, std::string directory,
                                            const std::string& storeKey);

}  // namespace resnet_torch::data
