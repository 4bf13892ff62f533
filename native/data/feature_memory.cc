#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "data/feature_store.h"

namespace resnet_torch::data {

namespace {

/// Slabs of this size or of one entry: nothing is ever moved, and what is not used yet has no pages.
constexpr std::size_t kSlabBytes = std::size_t{64} << 20;

struct Slab {
  std::uint8_t* data = nullptr;
  std::size_t bytes = 0;
};

class MemoryStore final : public FeatureStore {
 public:
  MemoryStore(std::size_t entryBytes, std::uint64_t limit)
      : entryBytes_(entryBytes),
        perSlab_(std::max<std::size_t>(kSlabBytes / entryBytes, 1)),
        most_(static_cast<std::size_t>(limit / entryBytes)) {}

  ~MemoryStore() override {
    for (const auto& slab : slabs_) munmap(slab.data, slab.bytes);
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
    return slabs_[position / perSlab_].data + position % perSlab_ * entryBytes_;
  }

  bool makeRoom(std::size_t position) {
    if (position >= most_) {
      stopped_ = "the memory limit is reached";
      return false;
    }
    if (position / perSlab_ < slabs_.size()) return true;
    const auto bytes = std::min(perSlab_, most_ - position) * entryBytes_;
    slabs_.emplace_back();
    void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
      slabs_.pop_back();
      stopped_ = "the system has no more memory to give";
      return false;
    }
#ifdef MADV_HUGEPAGE
    madvise(data, bytes, MADV_HUGEPAGE);
#endif
    slabs_.back() = {static_cast<std::uint8_t*>(data), bytes};
    return true;
  }

  const std::size_t entryBytes_, perSlab_, most_;
  mutable std::shared_mutex mutex_;
  std::vector<Slab> slabs_;
  std::unordered_map<FeatureKey, Entry, FeatureKeyHash> entries_;
  std::string stopped_;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<FeatureStore> makeMemoryStore(std::size_t entryBytes, std::uint64_t limit) {
  return std::make_unique<MemoryStore>(entryBytes, limit);
}

}  // namespace resnet_torch::data
