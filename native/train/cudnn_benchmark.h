#pragma once

namespace resnet_torch::train {

/// Lets cuDNN search for the fastest algorithms as long as it lives. PyTorch's setting is the process's: it is on
/// while there is one of these, on any thread, and off when the last has gone. What other threads compute meanwhile
/// is searched for too, once a shape, which takes time but changes no result's meaning.
class CudnnBenchmark {
 public:
  /// Where `wanted` is false it does nothing.
  explicit CudnnBenchmark(bool wanted);
  ~CudnnBenchmark();
  CudnnBenchmark(const CudnnBenchmark&) = delete;
  CudnnBenchmark& operator=(const CudnnBenchmark&) = delete;

 private:
  bool wanted_;
};

}  // namespace resnet_torch::train
