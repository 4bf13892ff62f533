#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "cuda/context.h"
#include "data/host_memory.h"

// What the launchers need of the CUDA runtime: all of it is in stream.cc, so that tests of the launchers can run them
// over the emulated kernels.
namespace resnet_torch::cuda {

/// The current stream of a device, and its size.
Context contextOf(at::Device device);

/// Host memory that a device copies to and from without the host's waiting.
at::Tensor pinned(at::IntArrayRef sizes, at::ScalarType dtype);

/// The same for batches of loaders: from the allocator of PyTorch that keeps what was freed.
std::shared_ptr<data::HostMemory> pinnedMemory();

/// A place in a stream, which the host can wait for, and other streams.
class Mark {
 public:
  virtual ~Mark() = default;
  virtual bool passed() const = 0;
  virtual void wait() const = 0;
  /// What is queued on that stream from here on waits for it. The host does not.
  virtual void holdBack(CUstream_st* stream) const = 0;
};
/// In the current stream of a device.
std::unique_ptr<Mark> markStream(at::Device device);
/// In one of its streams.
std::unique_ptr<Mark> markStream(at::Device device, CUstream_st* stream);

/// A stream of its own for copies to a device: none of PyTorch's pool, which gives the same streams to others.
class CopyStream {
 public:
  virtual ~CopyStream() = default;
  /// What is queued here from now on waits for the mark.
  virtual void after(const Mark& mark) = 0;
  /// Queues a copy from pinned memory.
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  virtual std::unique_ptr<Mark> mark() = 0;
  /// Waits for all that is queued here; a device that fails to say so copies nothing any more.
  virtual void drain() noexcept = 0;
};
std::unique_ptr<CopyStream> makeCopyStream(at::Device device);

}  // namespace resnet_torch::cuda
