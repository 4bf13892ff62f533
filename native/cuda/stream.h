#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "cuda/context.h"

// What the launchers need of the CUDA runtime: all of it is in stream.cc, so that tests of the launchers can run them
// over the emulated kernels.
namespace resnet_torch::cuda {

/// The current stream of a device, and its size.
Context contextOf(at::Device device);

/// Host memory that a device copies to and from without the host's waiting.
at::Tensor pinned(at::IntArrayRef sizes, at::ScalarType dtype);

/// A place in the current stream of a device, which the host can wait for.
class Mark {
 public:
  virtual ~Mark() = default;
  virtual bool passed() const = 0;
  virtual void wait() const = 0;
};
std::unique_ptr<Mark> markStream(at::Device device);

}  // namespace resnet_torch::cuda
