#pragma once

#include "model/aten.h"

namespace resnet_torch::model {

/// Values that no weight and no statistic of a network has: what is not finite, and variances below zero. A network
/// with them may answer numbers that look right, since a ReLU makes 0 of what is not a number.
class WeightFaults {
 public:
  /// Looks at the values of a tensor on the CPU; false where some are at fault.
  bool check(const std::string& name, const at::Tensor& values);
  /// Throws `code` where any were, naming the first tensor, how many values it is about, and what to do.
  void throwIfAny(const char* code, const std::string& source) const;

 private:
  std::string first_;               ///< what is wrong with the first tensor
  std::vector<std::string> names_;  ///< of all tensors at fault
};

}  // namespace resnet_torch::model
