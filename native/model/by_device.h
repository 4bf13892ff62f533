#pragma once

#include "model/aten.h"

#include <array>
#include <atomic>

namespace resnet_torch::model {

/// What each kind of device brings for a purpose, by a pointer; null for those that bring nothing.
template <typename Pointer>
class ByDevice {
 public:
  [[nodiscard]] Pointer of(at::Device device) const {
    return all_.at(static_cast<std::size_t>(device.type())).load(std::memory_order_acquire);
  }
  void set(at::DeviceType type, Pointer given) {
    all_.at(static_cast<std::size_t>(type)).store(given, std::memory_order_release);
  }

 private:
  std::array<std::atomic<Pointer>, at::COMPILE_TIME_MAX_DEVICE_TYPES> all_{};
};

}  // namespace resnet_torch::model
