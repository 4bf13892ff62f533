#include <sys/statvfs.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "core/errors.h"
#include "data/feature_segment.h"
#include "data/feature_store.h"
#include "data/threads.h"
#include "data/uninitialised.h"

namespace resnet_torch::data {

namespace {

namespace fs = std::filesystem;

/// Payloads that wait for the disk. What comes when there are more is let go, and may come again.
constexpr std::uint64_t kMostQueuedBytes = std::uint64_t{128} << 20;
/// A disk that has less free than both is full: others want to write too.
constexpr std::uint64_t kFreeBytes = std::uint64_t{1} << 30;
constexpr double kFreeShare = 0.05;

using Payload = std::shared_ptr<const Buffer<std::uint8_t>>;

struct Entry {
  std::shared_ptr<const FeatureSegment> segment;
  SegmentRecord record;
  Payload pending;  ///< in place of a segment until it is on disk
};

bool isFull(const std::string& directory) {
  struct statvfs status{};
  if (statvfs(directory.c_str(), &status) != 0) return false;
  const auto free = static_cast<double>(status.f_bavail) * static_cast<double>(status.f_frsize);
  const auto all = static_cast<double>(status.f_blocks) * static_cast<double>(status.f_frsize);
  return free < static_cast<double>(kFreeBytes) && free < kFreeShare * all;
}

/// Shared by the store and its thread.
struct DiskState : std::enable_shared_from_this<DiskState> {
  DiskState(std::size_t bytes, std::string place, const std::string& key)
      : layout{hash128(key.data(), key.size()), bytes}, directory(std::move(place)) {}

  void open();
  void startOnce();
  void work();
  void append(const FeatureKey& key, const Payload& payload);
  void drop(const Entry& entry);
  /// With the mutex held.
  void give(const std::string& reason) {
    if (stopped.empty()) stopped = reason;
    changed.notify_all();
  }

  const SegmentLayout layout;
  const std::string directory;

  std::shared_mutex mutex;
  std::condition_variable_any changed;
  std::unordered_map<FeatureKey, Entry, FeatureKeyHash> entries;
  std::deque<FeatureKey> queue;
  std::string stopped;
  std::size_t damaged = 0;
  bool closed = false, working = false;
  std::shared_ptr<FeatureSegment> own;  // the thread's
  std::unique_ptr<ThreadGroup> threads;
};

void DiskState::open() {
  std::error_code error;
  fs::create_directories(directory, error);
  std::vector<FeatureSegment::Opened> found;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
    if (at->path().extension() == ".index")
      found.push_back(FeatureSegment::open(at->path().parent_path() / at->path().stem(), layout));
  std::unique_lock lock(mutex);
  for (const auto& [segment, records, bad] : found) {
    damaged += bad;
    for (const auto& record : records) entries.try_emplace(record.key, Entry{segment, record, nullptr});
  }
  if (error) give(directory + " cannot be used: " + error.message());
}

/// With the mutex held. The thread holds the state, and the state's group does not hold the thread's work.
void DiskState::startOnce() {
  if (threads) return;
  threads = std::make_unique<ThreadGroup>([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    std::unique_lock lock(self->mutex);
    self->changed.notify_all();
  });
  working = true;
  try {
    threads->start(1, [self = shared_from_this()] { self->work(); });
  } catch (const Error& error) {
    working = false;
    give(error.what());
  }
}

void DiskState::work() {
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [&] { return threads->stopping() || closed || !stopped.empty() || !queue.empty(); });
    if (threads->stopping() || !stopped.empty() || queue.empty()) break;
    const auto key = queue.front();
    const auto payload = entries.at(key).pending;
    lock.unlock();
    append(key, payload);
    lock.lock();
    queue.pop_front();
    changed.notify_all();
  }
  working = false;
  changed.notify_all();
}

void DiskState::append(const FeatureKey& key, const Payload& payload) {
  try {
    if (isFull(directory)) throw Error("ERR_FILE", "the disk of " + directory + " is full");
    if (!own) {
      std::error_code error;
      fs::create_directories(directory, error);
      own = FeatureSegment::create(directory, layout);
    }
    const auto record = own->append(key, payload->data());
    std::unique_lock lock(mutex);
    entries.at(key) = {own, record, nullptr};
  } catch (const std::exception& error) {
    std::unique_lock lock(mutex);
    give(error.what());
  }
}

void DiskState::drop(const Entry& entry) {
  {
    std::unique_lock lock(mutex);
    const auto at = entries.find(entry.record.key);
    const bool same = at != entries.end() && at->second.segment == entry.segment &&
                      at->second.record.position == entry.record.position;
    if (!same) return;
    entries.erase(at);
  }
  entry.segment->forget(entry.record);
}

class DiskStore final : public FeatureStore {
 public:
  DiskStore(std::size_t entryBytes, std::string directory, const std::string& storeKey)
      : state_(std::make_shared<DiskState>(entryBytes, std::move(directory), storeKey)) {}

  /// Does not wait: the thread leaves after the entry at hand.
  ~DiskStore() override {
    ThreadGroup* threads = nullptr;
    {
      std::unique_lock lock(state_->mutex);
      threads = state_->threads.get();
    }
    if (threads) threads->stop();
  }

  void open() override { state_->open(); }

  Found read(const FeatureKey& key, std::uint8_t* to) override {
    Entry entry;
    {
      std::shared_lock lock(state_->mutex);
      const auto at = state_->entries.find(key);
      if (at == state_->entries.end()) return Found::kNo;
      entry = at->second;
    }
    if (entry.pending) {
      std::copy(entry.pending->begin(), entry.pending->end(), to);
      return Found::kYes;
    }
    if (entry.segment->read(entry.record, to)) return Found::kYes;
    state_->drop(entry);
    return Found::kDamaged;
  }

  void write(const FeatureKey& key, const std::uint8_t* from) override {
    const auto wanted = [&] {
      const auto queued = state_->queue.size() * state_->layout.entryBytes;
      return !state_->closed && state_->stopped.empty() && !state_->entries.contains(key) &&
             (state_->queue.empty() || queued + state_->layout.entryBytes <= kMostQueuedBytes);
    };
    {
      std::shared_lock lock(state_->mutex);
      if (!wanted()) return;
    }
    const auto payload = std::make_shared<Buffer<std::uint8_t>>(from, from + state_->layout.entryBytes);
    std::unique_lock lock(state_->mutex);
    if (!wanted()) return;
    state_->entries[key] = {nullptr, {key, 0, 0}, payload};
    state_->queue.push_back(key);
    state_->startOnce();
    state_->changed.notify_all();
  }

  void close() override {
    std::unique_lock lock(state_->mutex);
    state_->closed = true;
    state_->changed.notify_all();
    state_->changed.wait(lock, [&] { return !state_->working; });
  }

  std::size_t entries() const override {
    std::shared_lock lock(state_->mutex);
    return state_->entries.size();
  }

  std::string stopped() const override {
    std::shared_lock lock(state_->mutex);
    return state_->stopped;
  }

  std::size_t damagedAtOpening() const override {
    std::shared_lock lock(state_->mutex);
    return state_->damaged;
  }

 private:
  const std::shared_ptr<DiskState> state_;
};

}  // namespace

std::unique_ptr<FeatureStore> makeDiskStore(std::size_t entryBytes, std::string directory,
                                            const std::string& storeKey) {
  return std::make_unique<DiskStore>(entryBytes, std::move(directory), storeKey);
}

}  // namespace resnet_torch::data
