#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "core/pages.h"
#include "data/feature_store.h"

namespace resnet_torch::data {

namespace {

/// Slabs of this size or of one entry: nothing is ever moved, and what is not used yet has no pages.
constexpr std::size_t kSlabBytes = std::size_t{64} << 20;

class MemoryStore final : public FeatureStore {
 public:
  MemoryStore(std::size_t entryBytes, std::uint64_t limit)
      : entryBytes_(entryBytes),
        perSlab_(std::max<std::size_t>(kSlabBytes / entryBytes, 1)),
        most_(static_cast<std::size_t>(limit / entryBytes)) {}

  ~MemoryStore() override {
    for (auto* const slab : slabs_) Pages::ofProcess().give(slab);
  }

  Found read(const FeatureKey& key, std::uint8_t* to) override {
    const std::uint8_t* from = nullptr;
    {
      std::shared_lock lock(mutex_);
      const auto entry = entries_.find(key);
      if (entry == entries_.end() || !entry->second.written) return Found::kNo;
      from = at(entry->second.position);
    }
    std::memcpy(to, from, entryBytes_);
    return Found::kYes;
  }

  void write(const FeatureKey& key, const std::uint8_t* from) override {
    std::uint8_t* to = nullptr;
    {
      std::unique_lock lock(mutex_);
      if (closed_ || !stopped_.empty() || entries_.contains(key)) return;
      const auto position = entries_.size();
      if (!makeRoom(position)) return;
      entries_[key] = {position, false};
      to = at(position);
    }
    std::memcpy(to, from, entryBytes_);
    std::unique_lock lock(mutex_);
    entries_[key].written = true;
  }

  void close() override {
    std::unique_lock lock(mutex_);
    closed_ = true;
  }

  std::size_t entries() const override {
    std::shared_lock lock(mutex_);
    return entries_.size();
  }

  std::string stopped() const override {
    std::shared_lock lock(mutex_);
    return stopped_;
  }

 private:
  struct Entry {
    std::size_t position = 0;
    bool written = false;
  };

  std::uint8_t* at(std::size_t position) const {
    return slabs_[position / perSlab_] + position % perSlab_ * entryBytes_;
  }

  bool makeRoom(std::size_t position) {
    if (position >= most_) {
      stopped_ = "the memory limit is reached";
      return false;
    }
    if (position / perSlab_ < slabs_.size()) return true;
    const auto bytes = std::min(perSlab_, most_ - position) * entryBytes_;
    slabs_.emplace_back();
    try {
      slabs_.back() = static_cast<std::uint8_t*>(Pages::ofProcess().take(bytes, Pages::Fit::kTight));
    } catch (const std::bad_alloc&) {
      slabs_.pop_back();
      stopped_ = "the system has no more memory to give";
      return false;
    }
    return true;
  }

  const std::size_t entryBytes_, perSlab_, most_;
  mutable std::shared_mutex mutex_;
  std::vector<std::uint8_t*> slabs_;
  std::unordered_map<FeatureKey, Entry, FeatureKeyHash> entries_;
  std::string stopped_;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<FeatureStore> makeMemoryStore(std::size_t entryBytes, std::uint64_t limit) {
  return std::make_unique<MemoryStore>(entryBytes, limit);
}

}  // namespace resnet_torch::data
