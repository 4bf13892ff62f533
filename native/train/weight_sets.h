#pragma once

#include "core/tensor.h"

#include <array>
#include <map>

#include "model/network.h"
#include "model/trainable_suffix.h"
#include "optim/optimizer.h"

namespace resnet_torch::train {

/// A BatchNorm's buffers, behind its name.
inline constexpr std::array kRunningStatistics = {".running_mean", ".running_var", ".num_batches_tracked"};

/// Copies of some of a model's tensors as they were once, by name. On the executor's thread.
class WeightSet {
 public:
  bool empty() const { return tensors_.empty(); }
  void clear() { tensors_.clear(); }
  /// Copies a tensor, in the place of an earlier copy of that name.
  void copy(const std::string& name, const at::Tensor& tensor);
  /// The copy of that name, or null.
  const at::Tensor* find(const std::string& name) const;
  const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }

 private:
  std::map<std::string, at::Tensor> tensors_;
};

/// The weight sets of a session.
struct WeightSets {
  WeightSet start;  ///< what trains, as training found it
  WeightSet best;   ///< what a session changes, as it was when it was told to copy it
};

/// Copies all that training changes of a model: what trains, and statistics that follow the batches.
void copyChanging(const model::Network& model, const model::Trainability& trainability, WeightSet& to);

/// ‖w − w₀‖ / ‖w₀‖ by unit, of what trains; 0 for a unit with nothing in `start`.
std::vector<double> driftByUnit(const model::Architecture& architecture, const std::vector<optim::Group>& groups,
                                const WeightSet& start);

}  // namespace resnet_torch::train
