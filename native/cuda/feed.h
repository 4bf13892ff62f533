#pragma once

#include <ATen/ATen.h>

#include <array>

#include "cuda/stream.h"
#include "train/device_feed.h"

namespace resnet_torch::cuda {

/// train::DeviceFeed by way of two places in device memory and a stream for copies, which it holds as long as it
/// lives: while the device works on what lies in one of them, the other is filled.
class SlotFeed final : public train::DeviceFeed {
 public:
  explicit SlotFeed(at::Device device);
  /// Waits for copies that are under way.
  ~SlotFeed() override;

  at::Tensor pass(data::Buffer<std::uint8_t> bytes, const Use& use) override;
  void arrive() override;

 private:
  struct Slot {
    at::Tensor memory;
    std::unique_ptr<Mark> read;  ///< passed once the device has no use for what lies there
  };
  struct OnTheWay {
    data::Buffer<std::uint8_t> bytes;
    std::unique_ptr<Mark> there;  ///< null: nothing is on its way
  };

  Slot& nextSlot(std::int64_t bytes);

  at::Device device_;
  std::array<Slot, 2> slots_;
  std::size_t next_ = 0;
  OnTheWay onTheWay_;
  std::unique_ptr<CopyStream> copies_;
};

extern const train::Feeding kFeeding;

}  // namespace resnet_torch::cuda
