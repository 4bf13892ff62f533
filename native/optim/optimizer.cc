#include "optim/optimizer.h"

#include <array>

#include "core/errors.h"
#include "optim/batch.h"

namespace resnet_torch::optim {

namespace {

/// Rules walk raw memory, so a gradient must lie as its parameter lies.
at::Tensor alignedGradient(const at::Tensor& parameter) {
  const auto& gradient = parameter.grad();
  if (gradient.strides() == parameter.strides()) return gradient;
  return at::empty_like(parameter).copy_(gradient);
}

at::TensorOptions counts(const at::Tensor& parameter) {
  return parameter.options().dtype(at::kFloat);
}

}  // namespace

Optimizer::Optimizer(Settings settings, std::vector<Group> groups)
    : settings_(settings), names_(stateNames(settings)), groups_(std::move(groups)) {
  for (const auto& group : groups_) states_.emplace_back(group.parameters.size());
}

Optimizer::State Optimizer::newState(const at::Tensor& parameter) const {
  State state;
  for (std::size_t k = 0; k < names_.slots.size(); ++k) state.slots.push_back(at::zeros_like(parameter));
  if (names_.step) state.step = at::zeros({}, counts(parameter));
  if (names_.scalar) state.scalar = at::full({}, names_.scalarStart, counts(parameter));
  return state;
}

void Optimizer::step(std::span<const double> rates) {
  if (rates.size() != groups_.size())
    throw Error("ERR_INVALID_ARGUMENT", "rates has " + std::to_string(rates.size()) + " values for " +
                                            std::to_string(groups_.size()) + " parameter groups");
  const at::NoGradGuard noGrad;
  // All memory is taken before the first weight moves: where there is none, nothing has changed.
  std::vector<Batch> batches;
  std::vector<std::pair<State*, State>> fresh;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    // Those that take their first step go apart: rules may begin in another way.
    std::array<Batch, 2> sides;
    for (auto& side : sides) {
      side.slots.resize(names_.slots.size());
      side.rate = rates[g];
      side.weightDecay = groups_[g].weightDecay;
    }
    sides[0].first = true;
    for (std::size_t i = 0; i < states_[g].size(); ++i) {
      const auto& parameter = groups_[g].parameters[i].tensor;
      if (!parameter.grad().defined()) continue;
      auto* state = &states_[g][i];
      const bool first = !state->made();
      auto& batch = sides[first ? 0 : 1];
      if (first) state = &fresh.emplace_back(state, newState(parameter)).second;
      batch.parameters.push_back(parameter);
      batch.gradients.push_back(alignedGradient(parameter));
      for (std::size_t k = 0; k < state->slots.size(); ++k) batch.slots[k].push_back(state->slots[k]);
      if (names_.step) batch.steps.push_back(state->step);
      if (names_.scalar) batch.scalars.push_back(state->scalar);
    }
    for (auto& side : sides)
      if (!side.parameters.empty()) batches.push_back(std::move(side));
  }
  for (auto& [state, made] : fresh) *state = std::move(made);
  for (auto& batch : batches) {
    if (names_.step) at::_foreach_add_(batch.steps, 1);
    update(settings_, batch);
  }
}

void Optimizer::clearGradients() {
  for (auto& group : groups_)
    for (auto& parameter : group.parameters) parameter.tensor.mutable_grad().reset();
}

std::vector<Optimizer::StateTensor> Optimizer::state() const {
  std::vector<StateTensor> all;
  const auto taken = reserved() ? flat_.steps.cpu() : at::Tensor();
  std::int64_t number = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (std::size_t i = 0; i < states_[g].size(); ++i, ++number) {
      if (reserved() && taken.const_data_ptr<float>()[number] == 0) continue;
      const auto& state = states_[g][i];
      const auto& name = groups_[g].parameters[i].name;
      for (std::size_t k = 0; k < state.slots.size(); ++k) all.push_back({name, names_.slots[k], state.slots[k]});
      if (state.step.defined()) all.push_back({name, "step", state.step});
      if (state.scalar.defined()) all.push_back({name, names_.scalar, state.scalar});
    }
  }
  return all;
}

Optimizer::Found Optimizer::find(const std::string& parameter) {
  std::int64_t number = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (std::size_t i = 0; i < states_[g].size(); ++i, ++number)
      if (groups_[g].parameters[i].name == parameter) return {&groups_[g].parameters[i], &states_[g][i], number};
  return {};
}

at::Tensor* Optimizer::tensorOf(State& state, const std::string& name) const {
  for (std::size_t k = 0; k < names_.slots.size(); ++k)
    if (name == names_.slots[k]) return &state.slots[k];
  if (names_.step && name == "step") return &state.step;
  return names_.scalar && name == names_.scalar ? &state.scalar : nullptr;
}

void Optimizer::setState(const std::string& parameter, const std::string& name, const at::Tensor& value) {
  const auto [found, state, number] = find(parameter);
  State fresh;
  const bool first = state && !state->made();
  if (first) fresh = newState(found->tensor);
  auto* target = !state ? nullptr : tensorOf(first ? fresh : *state, name);
  if (!target)
    throw Error("ERR_CHECKPOINT",
                "The optimizer state " + parameter + "." + name + " does not belong to this optimizer");
  if (value.sizes() != target->sizes())
    throw Error("ERR_CHECKPOINT",
                "The optimizer state " + parameter + "." + name + " has another shape than its parameter");
  target->copy_(value);
  if (first) *state = std::move(fresh);
  ++state->set;
  // A rule that keeps no count would begin anew with the first step that is counted.
  if (reserved() && !names_.step) flat_.steps[number].fill_(1);
}

void Optimizer::checkState() const {
  const auto whole = names_.slots.size() + (names_.step ? 1 : 0) + (names_.scalar ? 1 : 0);
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (std::size_t i = 0; i < states_[g].size(); ++i)
      if (states_[g][i].set != 0 && states_[g][i].set % whole != 0)
        throw Error("ERR_CHECKPOINT", "Of the optimizer's state of " + groups_[g].parameters[i].name +
                                          " a part is missing: use the checkpoint of another run");
}

void Optimizer::reserve() {
  if (reserved()) return;
  const at::NoGradGuard noGrad;
  // Each begins where the widest reads of memory may begin.
  constexpr std::int64_t kAlignment = 64;
  const auto room = [](const at::Tensor& tensor) {
    return (tensor.numel() + kAlignment - 1) / kAlignment * kAlignment;
  };
  std::int64_t total = 0, count = 0;
  for (const auto& group : groups_) {
    for (const auto& parameter : group.parameters) {
      total += room(parameter.tensor);
      ++count;
    }
  }
  const auto options = counts(groups_.front().parameters.front().tensor);
  flat_.steps = at::zeros({count}, options);
  if (names_.scalar) flat_.scalars = at::full({count}, names_.scalarStart, options);
  flat_.gradients = at::zeros({total}, options);
  for (std::size_t k = 0; k < names_.slots.size(); ++k) flat_.slots.push_back(at::zeros({total}, options));
  std::int64_t offset = 0, number = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (std::size_t i = 0; i < states_[g].size(); ++i, ++number) {
      const auto& parameter = groups_[g].parameters[i].tensor;
      const auto piece = [&](const at::Tensor& flat) {
        return flat.as_strided(parameter.sizes(), parameter.strides(), offset);
      };
      State state;
      for (const auto& flat : flat_.slots) state.slots.push_back(piece(flat));
      if (names_.step) state.step = flat_.steps[number];
      if (names_.scalar) state.scalar = flat_.scalars[number];
      state.gradient = piece(flat_.gradients);
      states_[g][i] = std::move(state);
      offset += room(parameter);
    }
  }
  attachGradients();
}

void Optimizer::attachGradients() {
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (std::size_t i = 0; i < states_[g].size(); ++i)
      groups_[g].parameters[i].tensor.mutable_grad() = states_[g][i].gradient;
}

std::vector<Optimizer::Place> Optimizer::places() const {
  std::vector<Place> places;
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (std::size_t i = 0; i < states_[g].size(); ++i) {
      const auto& tensor = groups_[g].parameters[i].tensor;
      places.push_back({tensor, tensor.grad(), states_[g][i].slots, static_cast<int>(g)});
    }
  return places;
}

std::size_t Optimizer::stateBytes() const {
  std::size_t bytes = 0;
  if (reserved()) {
    bytes = flat_.steps.nbytes() + (flat_.scalars.defined() ? flat_.scalars.nbytes() : 0);
    for (const auto& flat : flat_.slots) bytes += flat.nbytes();
    return bytes;
  }
  for (const auto& entry : state()) bytes += entry.tensor.nbytes();
  return bytes;
}

std::size_t Optimizer::expectedStateBytes() const {
  std::size_t trainable = 0;
  for (const auto& group : groups_)
    for (const auto& parameter : group.parameters) trainable += parameter.tensor.nbytes();
  return trainable * names_.slots.size();
}

}  // namespace resnet_torch::optim
