#include "train/device_feed.h"

#include <array>
#include <atomic>

namespace resnet_torch::train {

namespace {

std::atomic<const Feeding*>& feedingOf(at::DeviceType type) {
  static std::array<std::atomic<const Feeding*>, at::COMPILE_TIME_MAX_DEVICE_TYPES> all{};
  return all.at(static_cast<std::size_t>(type));
}

}  // namespace

const Feeding* feeding(at::Device device) {
  return feedingOf(device.type()).load(std::memory_order_acquire);
}

void setFeeding(at::DeviceType type, const Feeding* feeding) {
  feedingOf(type).store(feeding, std::memory_order_release);
}

}  // namespace resnet_torch::train
