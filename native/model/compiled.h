#pragma once

#include "model/aten.h"

#include <vector>

#include "model/frozen_units.h"
#include "model/network.h"

namespace resnet_torch::model {

/// A model's units as they were compiled for inference, until one of them changes.
class Compiled {
 public:
  std::shared_ptr<FrozenUnits> find(int first, int last, at::ScalarType compute) const;
  void add(std::shared_ptr<FrozenUnits> units, at::ScalarType compute);
  void drop(int changedUnit);

 private:
  struct Entry {
    std::shared_ptr<FrozenUnits> units;
    at::ScalarType compute;
  };
  std::vector<Entry> entries_;
};

/// Units first … last − 1 compiled, as the model's values are now. On the executor's thread.
std::shared_ptr<FrozenUnits> compiledUnits(Network& model, int first, int last, at::ScalarType compute);

/// Evaluation mode, compiled: normalised images [n, 3, h, w] → pooled features [n, features] in the model's dtype.
at::Tensor compiledFeatures(Network& model, const at::Tensor& images, at::ScalarType compute);
/// → logits [n, classes].
at::Tensor compiledLogits(Network& model, const at::Tensor& images, at::ScalarType compute);
/// The same from what the first `units` units put out.
at::Tensor compiledLogitsFrom(Network& model, int units, const at::Tensor& input, at::ScalarType compute);

}  // namespace resnet_torch::model
