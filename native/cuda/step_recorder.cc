#include "cuda/step_recorder.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

namespace resnet_torch::cuda {

namespace {

void follow(const c10::cuda::CUDAStream& later, const c10::cuda::CUDAStream& earlier) {
  c10::cuda::CUDAEvent event;
  event.record(earlier);
  event.block(later);
}

class GraphRecorder final : public train::StepRecorder {
 public:
  explicit GraphRecorder(at::Device device)
      : device_(device), stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())) {}
  /// A graph may not go while the device still works on it.
  ~GraphRecorder() override {
    const c10::cuda::CUDAGuard guard(device_);
    C10_CUDA_CHECK_WARN(cudaDeviceSynchronize());
  }
  GraphRecorder(const GraphRecorder&) = delete;
  GraphRecorder& operator=(const GraphRecorder&) = delete;

  void rehearse(const std::function<void()>& work) override { onOwnStream(work); }

  void record(const std::function<void()>& work) override {
    const c10::cuda::CUDAGuard guard(device_);
    C10_CUDA_CHECK(cudaDeviceSynchronize());
    // The pool is filled anew: what the rehearsals have left would lie beside it unused.
    c10::cuda::CUDACachingAllocator::emptyCache();
    auto graph = std::make_unique<at::cuda::CUDAGraph>();
    onOwnStream([&] {
      // Other threads allocate pinned memory meanwhile. A pool is shared with a graph that is alive, or new.
      graph->capture_begin(graph_ ? graph_->pool() : c10::MempoolId_t{0, 0}, cudaStreamCaptureModeThreadLocal);
      try {
        work();
      } catch (...) {
        abandon(*graph);
        throw;
      }
      graph->capture_end();
    });
    graph_ = std::move(graph);
  }

  /// On the stream of whoever asks, behind what fills the step's inputs.
  void replay() override {
    const c10::cuda::CUDAGuard guard(device_);
    graph_->replay();
  }

 private:
  /// The caller's stream waits for the work, and the work for what is in it.
  template <class Work>
  void onOwnStream(const Work& work) {
    const c10::cuda::CUDAGuard device(device_);
    const auto caller = c10::cuda::getCurrentCUDAStream(device_.index());
    follow(stream_, caller);
    try {
      const c10::cuda::CUDAStreamGuard guard(stream_);
      work();
    } catch (...) {
      follow(caller, stream_);
      throw;
    }
    follow(caller, stream_);
  }

  /// The stream must not go on recording. What failed first is what is told.
  static void abandon(at::cuda::CUDAGraph& graph) noexcept {
    try {
      graph.capture_end();
    } catch (...) {
      cudaGetLastError();
    }
  }

  at::Device device_;
  c10::cuda::CUDAStream stream_;
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
};

}  // namespace

std::unique_ptr<train::StepRecorder> makeStepRecorder(at::Device device) {
  return std::make_unique<GraphRecorder>(device);
}

}  // namespace resnet_torch::cuda
