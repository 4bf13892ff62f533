#pragma once

#include "model/aten.h"

#include <array>
#include <atomic>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "model/units.h"

namespace resnet_torch::model {

/// torch.nn.BatchNorm2d's defaults.
inline constexpr double kBatchNormMomentum = 0.1;
inline constexpr double kBatchNormEpsilon = 1e-5;
/// Channels of the last block, which the head is given averaged.
inline constexpr std::int64_t kFeatures = 2048;

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

struct Convolution {
  at::Tensor weight;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
};

struct BatchNorm {
  std::string name;
  at::Tensor weight, bias, runningMean, runningVar, batchesTracked;
};

struct Downsample {
  Convolution convolution;
  BatchNorm norm;
};

struct Bottleneck {
  std::array<Convolution, 3> convolutions;
  std::array<BatchNorm, 3> norms;
  std::optional<Downsample> downsample;
};

struct Linear {
  at::Tensor weight, bias;
};

/// How a tensor begins: normal of this deviation, uniform within ±this, or all this; nothing for what is filled
/// already.
struct Beginning {
  enum class Kind { kFilled, kNormal, kUniform, kConstant } kind = Kind::kFilled;
  double spread = 0;
};

/// When a model takes the memory of its tensors.
enum class Allocation {
  kNow,
  kAtFirstUse,  ///< with allocate(): until then a model of any device can be made and asked for names and shapes
};

/// How one forward pass is computed.
struct ForwardOptions {
  std::optional<at::ScalarType> compute;  ///< the dtype computed in; else the model's
  /// BatchNorm modules that use and update batch statistics; the others use the running ones.
  const std::unordered_set<std::string>* training = nullptr;
  /// Scaled dropout masks after each hidden layer, [n, width]; empty for none.
  std::vector<at::Tensor> dropoutMasks;
};

class Compiled;

/// Global average over height and width → [n, c]. Taken in the model's dtype, so that bfloat16 rounds each position
/// once and not their sum again.
at::Tensor averaged(const at::Tensor& x, at::ScalarType dtype);

/// ResNet-50 v1.5 as torchvision.models.resnet50 defines it (stride on the 3×3 convolution), with torchvision's names
/// and initialisation, and a head `fc` of any number of classes, or hidden layers named as nn.Sequential(Linear,
/// ReLU, Dropout, Linear) names them (`fc.0.weight`, `fc.3.weight`).
class ResNet50 {
 public:
  ResNet50(HeadShape head, at::ScalarType dtype, at::Device device, std::uint64_t seed,
           Allocation allocation = Allocation::kNow);
  ~ResNet50();

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

  /// [n, 3, h, w] normalised → [n, 2048] after the global average pool, in the model's dtype.
  at::Tensor features(const at::Tensor& images, const ForwardOptions& options) const {
    return averaged(firstUnits(kBackboneUnits, images, options), dtype_);
  }
  /// [n, 3, h, w] normalised → output of the last of the first 0 to 17 units, [n, c, h, w] in the dtype computed in.
  at::Tensor firstUnits(int units, const at::Tensor& images, const ForwardOptions& options) const;
  /// [n, 2048] → [n, classes], in the model's dtype.
  at::Tensor logits(const at::Tensor& features, const ForwardOptions& options) const;
  at::Tensor forward(const at::Tensor& images, const ForwardOptions& options) const {
    return logits(features(images, options), options);
  }

  const Convolution& stemConvolution() const { return stemConvolution_; }
  const BatchNorm& stemNorm() const { return stemNorm_; }
  /// The block that is unit 1 … 16.
  const Bottleneck& block(int unit) const { return blocks_.at(static_cast<std::size_t>(unit - 1)); }
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
  Convolution addConvolution(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel,
                             std::int64_t stride);
  BatchNorm addBatchNorm(const std::string& name, std::int64_t channels);
  Linear addLinear(const std::string& name, std::int64_t in, std::int64_t out);
  /// A tensor without memory, which allocate() gives it.
  at::Tensor add(const std::string& name, at::IntArrayRef sizes, at::ScalarType dtype, bool parameter,
                 Beginning beginning);

  at::Tensor bottleneck(const Bottleneck& block, const at::Tensor& input, const ForwardOptions& options) const;

  HeadShape head_;
  at::ScalarType dtype_;
  at::Device device_;
  std::uint64_t seed_;
  std::vector<NamedTensor> tensors_;
  std::vector<Beginning> beginnings_;  // beside tensors_
  std::unordered_map<std::string, std::size_t> byName_;
  std::unordered_set<std::string> batchNorms_;
  Convolution stemConvolution_;
  BatchNorm stemNorm_;
  std::vector<Bottleneck> blocks_;
  std::vector<Linear> headLayers_;
  std::unique_ptr<Compiled> compiled_;
  std::uint64_t loads_ = 0;
  bool allocated_ = false;
};

/// uint8 [n, h, w, 3] → normalised `dtype` [n, 3, h, w], channels-last: (x / 255 − mean) / deviation with ImageNet's
/// figures. A device may take more channels than 3, or is asked for so many; they are zero.
at::Tensor normalise(const at::Tensor& images, at::ScalarType dtype,
                     std::optional<std::int64_t> channels = std::nullopt);

/// A convolution's weight for an input of so many channels: with zeros for those that it does not know.
at::Tensor forChannels(const at::Tensor& weight, std::int64_t channels);

}  // namespace resnet_torch::model
