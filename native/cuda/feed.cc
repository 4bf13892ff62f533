#include "cuda/feed.h"

#include <ATen/DeviceGuard.h>

#include "cuda/device_memory.h"

namespace resnet_torch::cuda {

namespace {

std::unique_ptr<train::DeviceFeed> makeFeed(at::Device device) {
  return std::make_unique<SlotFeed>(device);
}

}  // namespace

SlotFeed::SlotFeed(at::Device device) : device_(device), copies_(makeCopyStream(device)) {}

SlotFeed::~SlotFeed() {
  try {
    arrive();
  } catch (...) {
    // A device that fails to say so copies nothing any more.
  }
}

void SlotFeed::arrive() {
  if (!onTheWay_.there) return;
  onTheWay_.there->wait();
  onTheWay_ = {};
}

SlotFeed::Slot& SlotFeed::nextSlot(std::int64_t bytes) {
  auto& slot = slots_[next_];
  next_ = (next_ + 1) % slots_.size();
  if (slot.memory.defined() && slot.memory.numel() >= bytes) return slot;
  // The allocator reuses memory in the order of the current stream: whoever had this may still be at it.
  slot.memory = at::empty({bytes}, at::TensorOptions().device(device_).dtype(at::kByte));
  slot.read = markStream(device_);
  return slot;
}

at::Tensor SlotFeed::pass(data::Buffer<std::uint8_t> bytes, const Use& use) {
  const at::DeviceGuard guard(device_);
  arrive();
  const auto count = static_cast<std::int64_t>(bytes.size());
  auto& slot = nextSlot(count);
  copies_->after(*slot.read);
  onTheWay_.bytes = std::move(bytes);
  copies_->copy(slot.memory.mutable_data_ptr(), onTheWay_.bytes.data(), onTheWay_.bytes.size());
  try {
    onTheWay_.there = copies_->mark();
  } catch (...) {
    // Nothing tells when it has come, so the memory must not go to others before the stream is empty.
    copies_->drain();
    onTheWay_ = {};
    throw;
  }
  onTheWay_.there->holdBack(contextOf(device_).stream);
  try {
    const auto made = use(slot.memory.narrow(0, 0, count));
    slot.read = markStream(device_);
    return made;
  } catch (...) {
    slot.read = markStream(device_);
    throw;
  }
}

const train::Feeding kFeeding = {.memory = pinnedMemory, .make = makeFeed, .deviceMemory = deviceMemory};

}  // namespace resnet_torch::cuda
