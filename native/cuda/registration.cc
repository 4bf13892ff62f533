#include "cuda/registration.h"

#include <ATen/Context.h>

#include "cuda/feed.h"
#include "cuda/fused_ops.h"
#include "cuda/training_step.h"

namespace resnet_torch::cuda {

void registerKernels() {
  model::setDeviceKernels(at::kCUDA, &kFusedOps);
  train::setDeviceStep(at::kCUDA, makeTrainingStep);
  train::setFeeding(at::kCUDA, &kFeeding);
  for (const auto operation : {at::Float32Op::CONV, at::Float32Op::MATMUL})
    at::globalContext().setFloat32Precision(at::Float32Backend::CUDA, operation, at::Float32Precision::TF32);
}

}  // namespace resnet_torch::cuda
