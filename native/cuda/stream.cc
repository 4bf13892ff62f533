#include "cuda/stream.h"

#include <ATen/core/CachingHostAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <array>
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "core/errors.h"

namespace resnet_torch::cuda {

namespace {

/// Asked once a device: the driver takes a lock for it.
int multiprocessorsOf(at::DeviceIndex index) {
  static std::array<std::atomic<int>, C10_COMPILE_TIME_MAX_GPUS> known{};
  auto& count = known.at(static_cast<std::size_t>(index));
  if (count.load() == 0) {
    int asked = 0;
    C10_CUDA_CHECK(cudaDeviceGetAttribute(&asked, cudaDevAttrMultiProcessorCount, index));
    count.store(asked);
  }
  return count.load();
}

/// An event of a device, and gone in its context: on another device it would make one there.
class Event {
 public:
  explicit Event(at::Device device) : device_(device) {
    const c10::cuda::CUDAGuard guard(device_);
    // A host that waits sleeps: a thread that spins takes a core from those that decode.
    C10_CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming | cudaEventBlockingSync));
  }
  ~Event() {
    try {
      const c10::cuda::CUDAGuard guard(device_);
      C10_CUDA_CHECK_WARN(cudaEventDestroy(event_));
    } catch (...) {
      // A device that cannot be turned to any more has let go of what it held.
    }
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  at::Device device() const { return device_; }
  cudaEvent_t get() const { return event_; }

 private:
  at::Device device_;
  cudaEvent_t event_ = nullptr;
};

class StreamMark final : public Mark {
 public:
  StreamMark(at::Device device, cudaStream_t stream) : event_(device) {
    const c10::cuda::CUDAGuard guard(device);
    C10_CUDA_CHECK(cudaEventRecord(event_.get(), stream));
  }

  bool passed() const override {
    const c10::cuda::CUDAGuard guard(event_.device());
    const auto answer = cudaEventQuery(event_.get());
    if (answer == cudaErrorNotReady) {
      cudaGetLastError();  // an answer, not a failure of the next call
      return false;
    }
    C10_CUDA_CHECK(answer);
    return true;
  }
  void wait() const override {
    const c10::cuda::CUDAGuard guard(event_.device());
    C10_CUDA_CHECK(cudaEventSynchronize(event_.get()));
  }
  void holdBack(CUstream_st* stream) const override {
    const c10::cuda::CUDAGuard guard(event_.device());
    C10_CUDA_CHECK(cudaStreamWaitEvent(stream, event_.get()));
  }

 private:
  Event event_;
};

class OwnCopyStream final : public CopyStream {
 public:
  explicit OwnCopyStream(at::Device device) : device_(device) {
    const c10::cuda::CUDAGuard guard(device_);
    C10_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  }
  ~OwnCopyStream() override {
    try {
      const c10::cuda::CUDAGuard guard(device_);
      C10_CUDA_CHECK_WARN(cudaStreamDestroy(stream_));
    } catch (...) {
      // As with an event.
    }
  }
  OwnCopyStream(const OwnCopyStream&) = delete;
  OwnCopyStream& operator=(const OwnCopyStream&) = delete;

  void after(const Mark& mark) override { mark.holdBack(stream_); }
  void copy(void* to, const void* from, std::size_t bytes) override {
    const c10::cuda::CUDAGuard guard(device_);
    C10_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_));
  }
  std::unique_ptr<Mark> mark() override { return std::make_unique<StreamMark>(device_, stream_); }
  void drain() noexcept override { C10_CUDA_CHECK_WARN(cudaStreamSynchronize(stream_)); }

 private:
  at::Device device_;
  cudaStream_t stream_ = nullptr;
};

class PinnedMemory final : public data::HostMemory {
 public:
  void* take(std::size_t bytes) override {
    auto memory = allocated(bytes);
    void* const begin = memory.get();
    std::lock_guard lock(mutex_);
    taken_.emplace(begin, std::move(memory));
    return begin;
  }
  void give(void* memory, std::size_t) noexcept override {
    at::DataPtr held;
    std::lock_guard lock(mutex_);
    const auto found = taken_.find(memory);
    if (found == taken_.end()) return;
    held = std::move(found->second);
    taken_.erase(found);
  }

 private:
  static at::DataPtr allocated(std::size_t bytes) {
    try {
      return at::getHostAllocator(at::kCUDA)->allocate(bytes);
    } catch (const c10::AcceleratorError& error) {
      if (error.get_error_code() != cudaErrorMemoryAllocation) throw;
      throw Error("ERR_OUT_OF_MEMORY", "The host has no " + std::to_string(bytes >> 20) +
                                           " MiB of memory that a device can copy a batch from: use a smaller "
                                           "--batch-size or --image-size, or allow the process more memory");
    }
  }

  std::mutex mutex_;
  std::unordered_map<void*, at::DataPtr> taken_;
};

}  // namespace

Context contextOf(at::Device device) {
  return {c10::cuda::getCurrentCUDAStream(device.index()).stream(), multiprocessorsOf(device.index())};
}

at::Tensor pinned(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::empty(sizes, at::TensorOptions().dtype(dtype).pinned_memory(true));
}

std::shared_ptr<data::HostMemory> pinnedMemory() {
  // Never destroyed: batches may outlast static objects.
  static auto* instance = new std::shared_ptr<data::HostMemory>(std::make_shared<PinnedMemory>());
  return *instance;
}

std::unique_ptr<Mark> markStream(at::Device device) {
  return markStream(device, contextOf(device).stream);
}

std::unique_ptr<Mark> markStream(at::Device device, CUstream_st* stream) {
  return std::make_unique<StreamMark>(device, stream);
}

std::unique_ptr<CopyStream> makeCopyStream(at::Device device) {
  return std::make_unique<OwnCopyStream>(device);
}

}  // namespace resnet_torch::cuda
