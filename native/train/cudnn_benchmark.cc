#include "train/cudnn_benchmark.h"

#include <ATen/Context.h>

#include <mutex>

namespace resnet_torch::train {

namespace {

constinit std::mutex mutex;
constinit int wanting = 0;

}  // namespace

CudnnBenchmark::CudnnBenchmark(bool wanted) : wanted_(wanted) {
  if (!wanted_) return;
  const std::lock_guard lock(mutex);
  if (wanting++ == 0) at::globalContext().setBenchmarkCuDNN(true);
}

CudnnBenchmark::~CudnnBenchmark() {
  if (!wanted_) return;
  const std::lock_guard lock(mutex);
  if (--wanting == 0) at::globalContext().setBenchmarkCuDNN(false);
}

}  // namespace resnet_torch::train
