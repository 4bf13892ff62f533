#pragma once

#include "model/aten.h"

#include <atomic>
#include <unordered_map>
#include <unordered_set>

#include "model/block.h"
#include "model/initial_values.h"

namespace resnet_torch::model {

struct HeadShape {
  std::int64_t classes = 0;
  std::vector<std::int64_t> hidden;  ///< widths of hidden layers; empty for one linear layer
  double dropout = 0;                ///< after each hidden ReLU, in training
};

/// A tensor of the state dict. Integer tensors (`num_batches_tracked`) are int64, all others the model's dtype.
struct NamedTensor {
  std::string name;
  at::Tensor tensor;
  bool parameter = false;
};

struct Linear {
  at::Tensor weight, bias;
};

/// When a model takes the memory of its tensors.
enum class Allocation {
  kNow,
  kAtFirstUse,  ///< with allocate(): until then a model of any device can be made and asked for names and shapes
};

class Compiled;

/// Global average over height and width → [n, c]. Taken in the model's dtype, so that bfloat16 rounds each position
/// once and not their sum again.
at::Tensor averaged(const at::Tensor& x, at::ScalarType dtype);

/// A member of torchvision's ResNet family as torchvision defines it (bottlenecks of v1.5), with torchvision's names
/// and initialisation, and a head `fc` of any number of classes, or hidden layers named as nn.Sequential(Linear,
/// ReLU, Dropout, Linear) names them (`fc.0.weight`, `fc.3.weight`).
class Network {
 public:
  /// `architecture` must outlive the model, as those of the table do.
  Network(const Architecture& architecture, HeadShape head, at::ScalarType dtype, at::Device device,
          std::uint64_t seed, Allocation allocation = Allocation::kNow);
  ~Network();

  const Architecture& architecture() const { return architecture_; }
  const HeadShape& headShape() const { return head_; }
  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }
  /// In the order of torchvision's state_dict().
  const std::vector<NamedTensor>& tensors() const { return tensors_; }
  /// ERR_INVALID_ARGUMENT where there is none of that name.
  const NamedTensor& find(const std::string& name) const;
  bool hasBatchNorm(const std::string& module) const { return batchNorms_.contains(module); }
  /// The BatchNorm of that module name; ERR_INVALID_ARGUMENT where there is none.
  BatchNorm batchNorm(const std::string& module) const;
  std::size_t bytes() const;

  /// Takes the memory of the tensors where that was not done. On the executor's thread, before values are written;
  /// initialise() does it too.
  void allocate();
  /// Large tensors are filled at their first use, on the executor's thread, and only where nothing was loaded into
  /// them. Every use of the model's values begins with this.
  void initialise();
  /// Says that a tensor's values come from elsewhere.
  void setLoaded(const std::string& name);

  /// [n, 3, h, w] normalised → [n, features] after the global average pool, in the model's dtype.
  at::Tensor features(const at::Tensor& images, const ForwardOptions& options) const {
    return averaged(firstUnits(architecture_.backboneUnits(), images, options), dtype_);
  }
  /// [n, 3, h, w] normalised → output of the last of the first `units` units of the backbone, [n, c, h, w] in the
  /// dtype computed in; the images themselves where that is 0.
  at::Tensor firstUnits(int units, const at::Tensor& images, const ForwardOptions& options) const;
  /// [n, features] → [n, classes], in the model's dtype.
  at::Tensor logits(const at::Tensor& features, const ForwardOptions& options) const;
  at::Tensor forward(const at::Tensor& images, const ForwardOptions& options) const {
    return logits(features(images, options), options);
  }

  const NormedConvolution& stem() const { return stem_; }
  /// The block that is that unit of the architecture.
  const Block& block(int unit) const { return blocks_.at(static_cast<std::size_t>(unit - 1)); }
  const std::vector<Linear>& headLayers() const { return headLayers_; }

  /// What was compiled from the values for inference; changed values drop it.
  Compiled& compiled() { return *compiled_; }
  /// On the executor's thread.
  void setChanged(int unit);
  /// Counts the values that came from elsewhere.
  std::uint64_t loads() const { return loads_; }

  /// Taken by the one session that may train it.
  std::atomic<bool> inSession{false};

 private:
  NormedConvolution addLayer(const ConvolutionPlan& plan);
  BatchNorm addBatchNorm(const std::string& name, std::int64_t channels);
  Linear addLinear(const std::string& name, std::int64_t in, std::int64_t out);
  void addHead();
  /// A tensor without memory, which allocate() gives it.
  at::Tensor add(const std::string& name, at::IntArrayRef sizes, at::ScalarType dtype, bool parameter,
                 InitialValues initial);

  const Architecture& architecture_;
  HeadShape head_;
  at::ScalarType dtype_;
  at::Device device_;
  std::uint64_t seed_;
  std::vector<NamedTensor> tensors_;
  std::vector<InitialValues> initial_;  // beside tensors_
  std::unordered_map<std::string, std::size_t> byName_;
  std::unordered_set<std::string> batchNorms_;
  NormedConvolution stem_;
  std::vector<Block> blocks_;
  std::vector<Linear> headLayers_;
  std::unique_ptr<Compiled> compiled_;
  std::uint64_t loads_ = 0;
  bool allocated_ = false;
};

}  // namespace resnet_torch::model
