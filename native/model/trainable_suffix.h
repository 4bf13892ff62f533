#pragma once

#include "model/aten.h"

#include <optional>
#include <unordered_set>

#include "model/device_kernels.h"
#include "model/folded_convolution.h"
#include "model/fused_ops.h"
#include "model/network.h"

namespace resnet_torch::model {

/// Which tensors of a model learn, and how.
struct Trainability {
  std::unordered_set<std::string> parameters;         ///< names of those that get a gradient
  std::unordered_set<std::string> batchNormTraining;  ///< BatchNorm modules that take the statistics of the batch

  /// The longest run of units from the input that hold nothing trainable and no BatchNorm in training mode.
  int frozenUnits(const Architecture& architecture) const;
  /// Units that hold something of either kind, in order.
  std::vector<int> units(const Architecture& architecture) const;
};

/// Weights in the dtype computed in, and the wider ones that they are the rounding of.
struct WeightCopy {
  at::Tensor weight, copy;
};

/// Units from `first` on in training, forward and backward written out: a fixed network has a fixed backward. Forward
/// keeps exactly what backward needs, which lets go of each tensor once it is used. The same arithmetic as autograd
/// over torchvision's modules, with BatchNorm, ReLU and the residual addition in one sweep each way. BatchNorm in
/// evaluation mode is folded into its convolution, and gradients of both follow by the chain rule.
class TrainableSuffix {
 public:
  TrainableSuffix(const Network& model, int first, const Trainability& trainability, at::ScalarType compute);

  int first() const { return first_; }

  /// Keeps weights of convolutions in the dtype computed in, where forward() would round them anew in every step.
  /// Answers those that train: whoever changes a weight must write its copy too.
  std::vector<WeightCopy> keepCopies();

  /// The input of unit `first` → logits [n, classes] in the model's dtype. `dropoutMasks` as in ForwardOptions.
  at::Tensor forward(const at::Tensor& input, const std::vector<at::Tensor>& dropoutMasks);
  /// Sets the gradient of every trainable parameter behind the last forward(), which it uses up.
  void backward(const at::Tensor& logitsGradient);
  /// Whether all gradients of the last backward() are finite. On the CPU.
  bool finite() const { return finite_; }
  /// Updates the running statistics by the last forward(), of a step that holds. A device may find in `skip` that it
  /// does not.
  void updateRunning(const at::Tensor& skip);
  /// The first BatchNorm whose statistics of the last forward() are not finite, or an empty name. On the CPU.
  std::string normNotFinite() const;

 private:
  /// A convolution with its BatchNorm.
  struct Layer {
    const Convolution* convolution = nullptr;
    const BatchNorm* norm = nullptr;
    bool trainsWeight = false, trainsScale = false, trainsBias = false;
    bool batchStatistics = false;
    bool inputGradient = false;  ///< whether something before it trains
    bool trains() const { return trainsWeight || trainsScale || trainsBias; }
    bool passes() const { return trains() || inputGradient; }

    std::optional<FoldedConvolution> folded;  ///< in evaluation mode; kept from step to step where it is frozen
    const BatchNorm* second = nullptr;        ///< of the shortcut, whose bias it adds with its own
    bool secondTrains = false;

    bool keepsCopy = false;  ///< of its weight, in `weight`

    // From forward to backward.
    at::Tensor input, weight, convolved;
    at::Tensor used;  ///< the weight for so many channels as the input has
    NormState state;
  };

  struct Block {
    bool passes() const;

    std::vector<Layer> layers;
    std::optional<Layer> downsample;
    at::Tensor output, mask;              ///< the mask says as much where there is one
    std::vector<at::Tensor> activations;  ///< outputs of all layers but the last
  };

  struct HeadLayer {
    const Linear* linear = nullptr;
    bool trainsWeight = false, trainsBias = false, inputGradient = false;
    at::Tensor input, mask;
  };

  Layer makeLayer(const NormedConvolution& from, const Trainability& trainability, bool inputGradient) const;
  Block makeBlock(const model::Block& from, const Trainability& trainability, bool inputGradient) const;

  FoldedConvolution& folded(Layer& layer) const;
  at::Tensor convolve(Layer& layer, const at::Tensor& x, bool relu);
  at::Tensor activate(Layer& layer, const at::Tensor& x);
  at::Tensor forwardBlock(Block& block, const at::Tensor& x);
  at::Tensor forwardHead(const at::Tensor& features, const std::vector<at::Tensor>& dropoutMasks);

  /// The gradient of what a block put out, in two parts that are to be added; either may be undefined.
  struct Incoming {
    at::Tensor first, second;
  };
  Incoming backwardBlock(Block& block, Incoming incoming);
  at::Tensor backwardActivated(Layer& layer, at::Tensor dy, const at::Tensor& y);
  at::Tensor backwardConvolution(Layer& layer, const at::Tensor& gradient);
  void backwardFolded(Layer& layer, const at::Tensor& gradient, const at::Tensor& sum, at::Tensor* inputGradient);
  void setGradient(const at::Tensor& parameter, const at::Tensor& gradient, bool surelyFinite = false);
  void setAffine(Layer& layer, const at::Tensor& weight, const at::Tensor& bias);
  at::Tensor place(const at::Tensor& parameter, bool trains) const;
  AffineGradients affinePlaces(const Layer& layer) const;
  void headGradients(const HeadLayer& layer, const at::Tensor& dy);
  void backwardStem(at::Tensor dy);
  at::Tensor backwardHead(const at::Tensor& logitsGradient);

  int first_;
  bool headAlone_;  ///< whether there is nothing of the backbone
  at::ScalarType modelType_, dtype_;
  const DeviceKernels* device_;  ///< null where the CPU's own code serves
  std::optional<Layer> stem_;
  std::vector<Block> blocks_;
  std::vector<HeadLayer> head_;
  bool backboneGradient_ = false;  ///< whether anything before the head trains
  bool finite_ = true;
  at::Tensor places_;  ///< of the stem's maxima
  std::vector<BatchMoments> moments_;
  std::vector<GradientCopy> copies_;  ///< of a device, made in one go at the end of a backward pass
  std::vector<std::int64_t> lastSizes_;
};

}  // namespace resnet_torch::model
