#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace resnet_torch::cuda {

struct DeviceInfo {
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  std::int64_t bytes = 0;    ///< of its memory
};

/// What the CUDA runtime answers when it is asked for devices.
struct Status {
  int error = 0;           ///< cudaError_t, 0 for none
  std::string errorText;   ///< CUDA's name for it and its words
  int driver = 0;          ///< the newest CUDA that the driver serves, 13000 for 13.0; 0 without a driver
  int runtime = 0;         ///< the CUDA of the libtorch, likewise
  std::int64_t cudnn = 0;  ///< 92400 for 9.24.0; 0 without it
  std::vector<DeviceInfo> devices;
};

/// Starts nothing on a device. It is asked once: with a driver the first answer takes some tenths of a second.
const Status& status();

}  // namespace resnet_torch::cuda
