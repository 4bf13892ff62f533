#pragma once

#include "model/aten.h"

#include <functional>
#include <memory>

#include "data/uninitialised.h"

namespace resnet_torch::train {

/// Takes the bytes of batches from the host to a device while that works on the batches before. On the executor's
/// thread.
class DeviceFeed {
 public:
  virtual ~DeviceFeed() = default;

  /// Puts bytes, which lie in the HostMemory of this device, on their way, after those before have come. `use`
  /// is given them on the device, uint8 of one dimension, and queues what it makes of them on the current stream:
  /// behind that, their place is for other bytes.
  using Use = std::function<at::Tensor(const at::Tensor& bytes)>;
  virtual at::Tensor pass(data::Buffer<std::uint8_t> bytes, const Use& use) = 0;
  /// Waits for what is on its way, whose memory is then the next batch's.
  virtual void arrive() = 0;
};

/// Of a device, in bytes.
struct DeviceMemory {
  std::int64_t free = 0, total = 0;
};

/// What a kind of device brings for it.
struct Feeding {
  std::shared_ptr<data::HostMemory> (*memory)() = nullptr;
  std::unique_ptr<DeviceFeed> (*make)(at::Device device) = nullptr;
  DeviceMemory (*deviceMemory)(at::Device device) = nullptr;
};

/// Null for devices that compute in the host's memory.
const Feeding* feeding(at::Device device);
/// Before any batch goes to that kind of device; null takes it back. It must outlive its use.
void setFeeding(at::DeviceType type, const Feeding* feeding);

}  // namespace resnet_torch::train
