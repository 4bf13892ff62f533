#include "host_stream.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "cuda/device_memory.h"
#include "cuda/stream.h"

// The emulated kernels run where they are launched, in memory of the host. Copies are made as late as a device may
// make them, when somebody waits for them; a mark has not passed when it is first asked; and whoever touches memory
// that a device might still be at is told of.
namespace resnet_torch::cuda {

namespace {

/// How often a mark is asked for before it has passed.
constexpr int kDelay = 2;

/// Never a stream: what copies are queued on goes by this address.
char copyStream;

CUstream_st* handleOfCopies() {
  return reinterpret_cast<CUstream_st*>(&copyStream);
}

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
};

struct World {
  std::mutex mutex;
  std::vector<Copy> copies;            ///< in the order in which they were queued
  std::size_t made = 0;                ///< of these
  std::size_t known = 0;               ///< of these, as far as the host can know
  std::size_t kernels = 0;             ///< marks between kernels so far
  std::map<void*, std::size_t> read;   ///< places of the device, and the mark after which nobody reads them any more
  std::size_t behind = 0;              ///< the mark that copies queued now wait for
  std::map<void*, std::size_t> taken;  ///< memory of batches, and its size
  std::vector<std::pair<void*, std::size_t>> free;
  int most = 0;
  bool noMark = false;  ///< the next mark behind copies fails
  std::vector<std::int64_t> freeMemory;
  std::string fault;

  void tell(const std::string& what) {
    if (fault.empty()) fault = what;
  }
  /// Up to the copy `last`.
  void make(std::size_t last) {
    for (; made < last; ++made) std::memcpy(copies[made].to, copies[made].from, copies[made].bytes);
  }
};

World& world() {
  static World instance;
  return instance;
}

class HostMark final : public Mark {
 public:
  HostMark(bool ofCopies, std::size_t place) : ofCopies_(ofCopies), place_(place) {}

  bool passed() const override {
    if (asked_++ < kDelay) return false;
    wait();
    return true;
  }
  void wait() const override {
    asked_ = kDelay;
    auto& all = world();
    std::lock_guard lock(all.mutex);
    if (!ofCopies_) return;
    all.make(place_);
    all.known = std::max(all.known, place_);
  }
  void holdBack(CUstream_st* stream) const override {
    auto& all = world();
    std::lock_guard lock(all.mutex);
    if (ofCopies_ && stream == nullptr) {
      all.make(place_);
      // From here on kernels may read what was copied, until a mark behind them says otherwise.
      all.read[all.copies[place_ - 1].to] = all.kernels + 1;
    } else if (!ofCopies_ && stream == handleOfCopies()) {
      all.behind = std::max(all.behind, place_);
    }
  }

 private:
  bool ofCopies_;
  std::size_t place_;
  mutable int asked_ = 0;
};

class HostCopies final : public CopyStream {
 public:
  ~HostCopies() override {
    auto& all = world();
    std::lock_guard lock(all.mutex);
    if (all.known < all.copies.size()) all.tell("a stream ends while copies may be under way");
    all.read.clear();
  }
  void after(const Mark& mark) override { mark.holdBack(handleOfCopies()); }
  void copy(void* to, const void* from, std::size_t bytes) override {
    auto& all = world();
    std::lock_guard lock(all.mutex);
    if (!all.taken.contains(const_cast<void*>(from))) all.tell("a copy from memory that is not pinned");
    const auto place = all.read.find(to);
    if (place != all.read.end() && place->second > all.behind)
      all.tell("a place is filled while kernels may read it");
    if (all.made < all.copies.size() && all.copies.back().to == to) all.tell("a place is filled twice");
    // What was there is gone, for whoever reads it before the copy.
    std::memset(to, 0xA5, bytes);
    all.copies.push_back({to, from, bytes});
  }
  std::unique_ptr<Mark> mark() override {
    auto& all = world();
    std::lock_guard lock(all.mutex);
    if (std::exchange(all.noMark, false)) throw std::runtime_error("no mark");
    return std::make_unique<HostMark>(/*ofCopies=*/true, all.copies.size());
  }
  void drain() noexcept override {
    auto& all = world();
    std::lock_guard lock(all.mutex);
    all.make(all.copies.size());
    all.known = all.copies.size();
  }
};

class HostPinned final : public data::HostMemory {
 public:
  void* take(std::size_t bytes) override {
    auto& all = world();
    std::lock_guard lock(all.mutex);
    void* memory = nullptr;
    // What was given last comes first: whoever is too early meets it.
    for (auto each = all.free.rbegin(); each != all.free.rend(); ++each) {
      if (each->second != bytes) continue;
      memory = each->first;
      all.free.erase(std::next(each).base());
      break;
    }
    if (!memory) memory = std::malloc(bytes);
    all.taken.emplace(memory, bytes);
    all.most = std::max(all.most, static_cast<int>(all.taken.size()));
    return memory;
  }
  void give(void* memory, std::size_t bytes) noexcept override {
    auto& all = world();
    std::lock_guard lock(all.mutex);
    for (std::size_t i = all.known; i < all.copies.size(); ++i)
      if (all.copies[i].from == memory) all.tell("a batch's memory is given back while it may be copied");
    all.taken.erase(memory);
    std::memset(memory, 0x5A, bytes);
    all.free.emplace_back(memory, bytes);
  }
};

}  // namespace

Context contextOf(at::Device) {
  return {nullptr, 3};
}

at::Tensor pinned(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::empty(sizes, dtype);
}

std::shared_ptr<data::HostMemory> pinnedMemory() {
  static const std::shared_ptr<data::HostMemory> instance = std::make_shared<HostPinned>();
  return instance;
}

train::DeviceMemory deviceMemory(at::Device) {
  auto& all = world();
  std::lock_guard lock(all.mutex);
  if (all.freeMemory.empty()) return {};
  const auto bytes = all.freeMemory.front();
  all.freeMemory.erase(all.freeMemory.begin());
  return {bytes, 0};
}

std::unique_ptr<Mark> markStream(at::Device) {
  auto& all = world();
  std::lock_guard lock(all.mutex);
  return std::make_unique<HostMark>(/*ofCopies=*/false, ++all.kernels);
}

std::unique_ptr<CopyStream> makeCopyStream(at::Device) {
  return std::make_unique<HostCopies>();
}

}  // namespace resnet_torch::cuda

void failNextMark() {
  auto& all = resnet_torch::cuda::world();
  std::lock_guard lock(all.mutex);
  all.noMark = true;
}

void answerFreeMemory(std::vector<std::int64_t> bytes) {
  auto& all = resnet_torch::cuda::world();
  std::lock_guard lock(all.mutex);
  all.freeMemory = std::move(bytes);
}

std::string firstFault() {
  auto& all = resnet_torch::cuda::world();
  std::lock_guard lock(all.mutex);
  return std::exchange(all.fault, "");
}

Taken takenMemory() {
  auto& all = resnet_torch::cuda::world();
  std::lock_guard lock(all.mutex);
  const auto now = static_cast<int>(all.taken.size());
  return {now, std::exchange(all.most, now)};
}
