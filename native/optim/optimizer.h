#pragma once

#include "model/aten.h"

#include <span>

#include "optim/rules.h"

namespace resnet_torch::optim {

struct Parameter {
  std::string name;
  at::Tensor tensor;
};

struct Group {
  std::string name;
  std::vector<Parameter> parameters;
  double weightDecay = 0;
};

/// Steps of one rule over parameter groups, and the rule's state. State is made with a parameter's first gradient, so
/// what is frozen, or has none yet, holds none.
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

  /// One parameter as it lies in reserved memory.
  struct Place {
    at::Tensor parameter, gradient;
    std::vector<at::Tensor> slots;  ///< as the rule's StateNames
    int group = 0;
  };
  std::vector<Place> places() const;
  /// float32 [places]: steps taken.
  const at::Tensor& steps() const { return flat_.steps; }
  /// float32 [places]: the rule's own number of each parameter; undefined for rules without one.
  const at::Tensor& scalars() const { return flat_.scalars; }
  const Settings& settings() const { return settings_; }

  /// State tensors under PyTorch's names: `exp_avg`, `exp_avg_sq`, `step`, `momentum_buffer`.
  struct StateTensor {
    std::string parameter, state;
    at::Tensor tensor;
  };
  std::vector<StateTensor> state() const;
  /// Replaces one state tensor by a copy; ERR_CHECKPOINT where the name or shape does not fit.
  void setState(const std::string& parameter, const std::string& state, const at::Tensor& value);
  /// Once all was set: ERR_CHECKPOINT where a parameter was given a part of its state.
  void checkState() const;
  std::size_t stateBytes() const;
  /// What the slots come to once every parameter has had a gradient.
  std::size_t expectedStateBytes() const;

 private:
  struct State {
    std::vector<at::Tensor> slots;
    at::Tensor step, scalar;  ///< float32 scalars
    at::Tensor gradient;      ///< where it is reserved
    std::size_t set = 0;      ///< tensors that setState gave it

    bool made() const { return !slots.empty() || step.defined(); }
  };
  /// Where a parameter's state lies, and its number among all parameters.
  struct Found {
    const Parameter* parameter = nullptr;
    State* state = nullptr;
    std::int64_t number = 0;
  };

  State newState(const at::Tensor& parameter) const;
  Found find(const std::string& parameter);
  /// The tensor of this name in a state; null where the rule has none.
  at::Tensor* tensorOf(State& state, const std::string& name) const;

  Settings settings_;
  StateNames names_;
  std::vector<Group> groups_;
  std::vector<std::vector<State>> states_;  // beside groups_
  struct Flat {
    at::Tensor gradients, steps, scalars;
    std::vector<at::Tensor> slots;
  } flat_;
};

}  // namespace resnet_torch::optim
