#include "cuda/registration.h"

#include "cuda/compat.h"
#include "cuda/feed.h"
#include "cuda/fused_ops.h"
#include "cuda/launch.h"
#include "cuda/memory.h"
#include "cuda/training_step.h"

namespace resnet_torch::cuda {

void registerKernels() {
  model::setDeviceKernels(at::kCUDA, &kFusedOps);
  train::setStepKernels(at::kCUDA, makeTrainingStep);
  train::setFeeding(at::kCUDA, &kFeeding);
  releaseForLaunch.store(releaseDeviceMemory);
  allowTf32(at::globalContext(), &at::Context::setFloat32Precision);
}

}  // namespace resnet_torch::cuda
