#pragma once

#include "core/tensor.h"

#include <unordered_set>

#include "optim/optimizer.h"
#include "train/losses/loss.h"
#include "train/step_kernels.h"

namespace resnet_torch::train {

struct SessionOptions {
  struct Group {
    std::string name;
    std::vector<std::string> parameters;
    double weightDecay = 0;
  };
  std::vector<Group> groups;
  optim::Settings optimizer;
  LossSettings loss;
  double clipNorm = 0;  ///< the most that the norm of all gradients may be; 0: any
  std::unordered_set<std::string> batchNormTraining;
  at::ScalarType compute = at::kFloat;  ///< the dtype computed in: the model's, or a narrower one
  std::uint64_t seed = 0;
  /// Autograd over the whole network instead of the compiled prefix and the suffix's written-out backward: slower,
  /// and what that is held against.
  bool autograd = false;
  LossScale lossScale;     ///< for fp16
  bool cudaGraph = false;  ///< steps are recorded and replayed, on a device that can
  /// Images of a batch that comes often enough for cuDNN to search for algorithms; 0 for none.
  std::int64_t searchedBatch = 0;
};

}  // namespace resnet_torch::train
