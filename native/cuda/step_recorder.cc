#include "cuda/step_recorder.h"

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include "cuda/graph_recorder.h"
#include "cuda/memory.h"
#include "cuda/stream.h"

namespace resnet_torch::cuda {

namespace {

void follow(const c10::cuda::CUDAStream& later, const c10::cuda::CUDAStream& earlier) {
  markStream(earlier.device(), earlier.stream())->holdBack(later.stream());
}

void quietly(const std::function<void()>& work) noexcept {
  try {
    work();
  } catch (...) {
    // The failure that led here is what is told.
  }
}

/// What allocates on the stream of a capture is led to the capture's pool by a filter that points at the graph. A
/// capture that fails leaves it there in some versions of libtorch; where it is gone already, this throws.
void endAllocations(at::Device device, c10::MempoolId_t pool) noexcept {
  quietly([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(device.index(), pool); });
  quietly([&] {
    [&](auto* host) {
      if constexpr (requires { host->end_allocate_to_pool(pool); }) host->end_allocate_to_pool(pool);
    }(at::getHostAllocator(at::kCUDA));
  });
}

class CudaGraph {
 public:
  explicit CudaGraph(at::Device device) : device_(device), pool_(at::cuda::graph_pool_handle()) {}
  ~CudaGraph() {
    try {
      const c10::cuda::CUDAGuard guard(device_);
      graph_.reset();
    } catch (...) {
      // As when it is abandoned.
    }
  }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  /// Other threads allocate pinned memory meanwhile: the capture forbids that to this one alone.
  void begin() { graph_.capture_begin(pool_, cudaStreamCaptureModeThreadLocal); }
  void end() { graph_.capture_end(); }
  /// The stream must not go on recording.
  void abandon() noexcept {
    const c10::cuda::CUDAGuard guard(device_);
    quietly([&] { graph_.capture_end(); });
    quietly([&] { graph_.reset(); });
    endAllocations(device_, pool_);
    cudaGetLastError();
  }
  void replay() {
    const c10::cuda::CUDAGuard guard(device_);
    graph_.replay();
  }
  void reset() {
    const c10::cuda::CUDAGuard guard(device_);
    graph_.reset();
  }

 private:
  at::Device device_;
  c10::MempoolId_t pool_;
  at::cuda::CUDAGraph graph_;
};

class CudaPlatform {
 public:
  using Graph = CudaGraph;

  explicit CudaPlatform(at::Device device)
      : device_(device), stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())) {}

  at::Device graph() const { return device_; }
  auto alone() const { return lockRecording(); }
  void emptyCache() const { c10::cuda::CUDACachingAllocator::emptyCache(); }
  void synchronize() const {
    const c10::cuda::CUDAGuard guard(device_);
    C10_CUDA_CHECK(cudaDeviceSynchronize());
  }
  template <class Work>
  void onOwnStream(const Work& work) const {
    const c10::cuda::CUDAGuard device(device_);
    const auto caller = c10::cuda::getCurrentCUDAStream(device_.index());
    follow(stream_, caller);
    try {
      const c10::cuda::CUDAStreamGuard guard(stream_);
      work();
    } catch (...) {
      quietly([&] { follow(caller, stream_); });
      throw;
    }
    follow(caller, stream_);
  }

 private:
  at::Device device_;
  c10::cuda::CUDAStream stream_;
};

}  // namespace

std::unique_ptr<train::StepRecorder> makeStepRecorder(at::Device device) {
  return std::make_unique<GraphRecorder<CudaPlatform>>(CudaPlatform(device));
}

}  // namespace resnet_torch::cuda
