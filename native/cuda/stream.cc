#include "cuda/stream.h"

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <array>
#include <atomic>

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

class StreamMark final : public Mark {
 public:
  explicit StreamMark(at::Device device) : device_(device) {
    const c10::cuda::CUDAGuard guard(device_);
    C10_CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
    C10_CUDA_CHECK(cudaEventRecord(event_, c10::cuda::getCurrentCUDAStream(device_.index()).stream()));
  }
  ~StreamMark() override { C10_CUDA_CHECK_WARN(cudaEventDestroy(event_)); }
  StreamMark(const StreamMark&) = delete;
  StreamMark& operator=(const StreamMark&) = delete;

  bool passed() const override {
    const auto answer = cudaEventQuery(event_);
    if (answer == cudaErrorNotReady) {
      cudaGetLastError();  // an answer, not a failure of the next call
      return false;
    }
    C10_CUDA_CHECK(answer);
    return true;
  }
  void wait() const override { C10_CUDA_CHECK(cudaEventSynchronize(event_)); }

 private:
  at::Device device_;
  cudaEvent_t event_ = nullptr;
};

}  // namespace

Context contextOf(at::Device device) {
  return {c10::cuda::getCurrentCUDAStream(device.index()).stream(), multiprocessorsOf(device.index())};
}

at::Tensor pinned(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::empty(sizes, at::TensorOptions().dtype(dtype).pinned_memory(true));
}

std::unique_ptr<Mark> markStream(at::Device device) {
  return std::make_unique<StreamMark>(device);
}

}  // namespace resnet_torch::cuda
