#pragma once

#include "model/aten.h"

#include <functional>
#include <map>
#include <span>

namespace resnet_torch::optim {

enum class Kind { kSgd, kAdam, kAdamW };

struct Settings {
  Kind kind = Kind::kAdam;
  double momentum = 0, dampening = 0;
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
};

struct Parameter {
  std::string name;
  at::Tensor tensor;
};

struct Group {
  std::string name;
  std::vector<Parameter> parameters;
  double weightDecay = 0;
};

/// torch.optim.SGD, Adam and AdamW over parameter groups, in ATen's fused steps: one call a group. State is made with
/// a parameter's first gradient, so what is frozen, or has none yet, holds none.
class Optimizer {
 public:
  Optimizer(Settings settings, std::vector<Group> groups);

  const std::vector<Group>& groups() const { return groups_; }
  /// One step with the gradients that the parameters hold; those without one are passed over. `rates`: one a group.
  /// Where there is no memory for it, it throws and has changed nothing.
  void step(std::span<const double> rates);
  void clearGradients();

  /// Makes the gradients and the state of all parameters at once, each kind in one piece of memory where it stays:
  /// for a device that steps by itself, and counts what it did. From then on gradients are written into that memory,
  /// and a parameter without a step has no state to tell of.
  void reserve();
  bool reserved() const { return flat_.steps.defined(); }
  /// Gives the parameters their reserved memory for gradients again.
  void attachGradients();

  /// One parameter as it lies in reserved memory; what the optimizer does not need is undefined.
  struct Slot {
    at::Tensor parameter, gradient, first, second;
    int group = 0;
  };
  std::vector<Slot> slots() const;
  /// float32 [slots]: steps taken.
  const at::Tensor& steps() const { return flat_.steps; }
  const Settings& settings() const { return settings_; }

  /// State tensors named as PyTorch names them: `exp_avg`, `exp_avg_sq`, `step`, `momentum_buffer`.
  struct StateTensor {
    std::string parameter, state;
    at::Tensor tensor;
  };
  std::vector<StateTensor> state() const;
  /// Replaces one state tensor by a copy; ERR_CHECKPOINT where the name or shape does not fit.
  void setState(const std::string& parameter, const std::string& state, const at::Tensor& value);
  std::size_t stateBytes() const;

 private:
  /// `first`: momentum, or Adam's first moment. `second`: Adam's second. `steps`: a float32 scalar.
  struct State {
    at::Tensor first, second, steps;
    at::Tensor gradient;  ///< where it is reserved
  };

  /// One call of a fused step, whose memory is there.
  using Update = std::function<void()>;
  void prepareSgd(const Group& group, std::vector<State>& states, double rate, std::vector<Update>& updates);
  void prepareAdam(const Group& group, std::vector<State>& states, double rate, std::vector<Update>& updates);
  const char* firstName() const { return settings_.kind == Kind::kSgd ? "momentum_buffer" : "exp_avg"; }

  Settings settings_;
  std::vector<Group> groups_;
  std::vector<std::vector<State>> states_;  // beside groups_
  struct Flat {
    at::Tensor gradients, first, second, steps;
  } flat_;
};

}  // namespace resnet_torch::optim
