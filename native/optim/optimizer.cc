#include "optim/optimizer.h"

#include "core/errors.h"

namespace resnet_torch::optim {

namespace {

/// The fused kernels walk raw memory, so a gradient must lie as its parameter lies.
at::Tensor alignedGradient(const at::Tensor& parameter) {
  const auto& gradient = parameter.grad();
  if (gradient.strides() == parameter.strides()) return gradient;
  return at::empty_like(parameter).copy_(gradient);
}

}  // namespace

Optimizer::Optimizer(Settings settings, std::vector<Group> groups) : settings_(settings), groups_(std::move(groups)) {
  for (const auto& group : groups_) states_.emplace_back(group.parameters.size());
}

void Optimizer::step(std::span<const double> rates) {
  if (rates.size() != groups_.size())
    throw Error("ERR_INVALID_ARGUMENT", "rates has " + std::to_string(rates.size()) + " values for " +
                                            std::to_string(groups_.size()) + " parameter groups");
  const at::NoGradGuard noGrad;
  // All memory is taken before the first weight moves: where there is none, nothing has changed.
  std::vector<Update> updates;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if (settings_.kind == Kind::kSgd) {
      prepareSgd(groups_[i], states_[i], rates[i], updates);
    } else {
      prepareAdam(groups_[i], states_[i], rates[i], updates);
    }
  }
  for (const auto& update : updates) update();
}

void Optimizer::prepareSgd(const Group& group, std::vector<State>& states, double rate,
                           std::vector<Update>& updates) {
  struct Call {
    std::vector<at::Tensor> parameters, gradients, buffers;
    std::vector<State*> states;
  };
  // PyTorch starts a buffer with its first gradient itself, undampened, and tells the kernel by a flag: a call of its
  // own.
  Call starting, going;
  for (std::size_t i = 0; i < group.parameters.size(); ++i) {
    const auto& parameter = group.parameters[i].tensor;
    if (!parameter.grad().defined()) continue;
    const bool start = settings_.momentum != 0 && !states[i].first.defined();
    auto& call = start ? starting : going;
    call.parameters.push_back(parameter);
    call.gradients.push_back(alignedGradient(parameter));
    call.states.push_back(&states[i]);
    if (settings_.momentum != 0) call.buffers.push_back(start ? at::zeros_like(parameter) : states[i].first);
  }
  for (const bool first : {true, false}) {
    auto& call = first ? starting : going;
    if (call.parameters.empty()) continue;
    updates.emplace_back([this, call = std::move(call), decay = group.weightDecay, rate, first] {
      at::_fused_sgd_(call.parameters, call.gradients, call.buffers, decay, settings_.momentum, rate,
                      settings_.dampening, settings_.nesterov, /*maximize=*/false, /*is_first_step=*/first);
      for (std::size_t i = 0; first && i < call.states.size(); ++i) call.states[i]->first = call.buffers[i];
    });
  }
}

void Optimizer::prepareAdam(const Group& group, std::vector<State>& states, double rate,
                            std::vector<Update>& updates) {
  std::vector<at::Tensor> parameters, gradients, first, second, steps;
  for (std::size_t i = 0; i < group.parameters.size(); ++i) {
    const auto& parameter = group.parameters[i].tensor;
    if (!parameter.grad().defined()) continue;
    auto& state = states[i];
    if (!state.first.defined()) {
      state.first = at::zeros_like(parameter);
      state.second = at::zeros_like(parameter);
      state.steps = at::zeros({}, parameter.options().dtype(at::kFloat));
    }
    parameters.push_back(parameter);
    gradients.push_back(alignedGradient(parameter));
    first.push_back(state.first);
    second.push_back(state.second);
    steps.push_back(state.steps);
  }
  if (parameters.empty()) return;
  updates.emplace_back([=, this, decay = group.weightDecay] {
    at::_foreach_add_(steps, 1);
    const auto call = [&](auto fused) {
      fused(parameters, gradients, first, second, at::TensorList{}, steps, rate, settings_.beta1, settings_.beta2,
            decay, settings_.eps, /*amsgrad=*/false, /*maximize=*/false);
    };
    if (settings_.kind == Kind::kAdam) {
      call([](auto&&... arguments) { at::_fused_adam_(arguments...); });
    } else {
      call([](auto&&... arguments) { at::_fused_adamw_(arguments...); });
    }
  });
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
      if (state.first.defined()) all.push_back({name, firstName(), state.first});
      if (state.second.defined()) all.push_back({name, "exp_avg_sq", state.second});
      if (state.steps.defined()) all.push_back({name, "step", state.steps});
    }
  }
  return all;
}

void Optimizer::setState(const std::string& parameter, const std::string& state, const at::Tensor& value) {
  std::int64_t number = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (std::size_t i = 0; i < states_[g].size(); ++i, ++number) {
      const auto& entry = groups_[g].parameters[i];
      if (entry.name != parameter) continue;
      const bool adam = settings_.kind != Kind::kSgd;
      at::Tensor* target = state == firstName()            ? &states_[g][i].first
                           : adam && state == "exp_avg_sq" ? &states_[g][i].second
                           : adam && state == "step"       ? &states_[g][i].steps
                                                           : nullptr;
      if (!target || (reserved() && !target->defined())) break;
      const bool scalar = state == "step";
      if (value.sizes() != (scalar ? at::IntArrayRef{} : entry.tensor.sizes()))
        throw Error("ERR_CHECKPOINT",
                    "The optimizer state " + parameter + "." + state + " has another shape than its parameter");
      if (reserved()) {
        target->copy_(value);
        // SGD's buffer would begin anew with the first step that is counted.
        if (!adam) flat_.steps[number].fill_(1);
        return;
      }
      *target = (scalar ? at::zeros({}, entry.tensor.options().dtype(at::kFloat)) : at::zeros_like(entry.tensor))
                    .copy_(value);
      return;
    }
  }
  throw Error("ERR_CHECKPOINT",
              "The optimizer state " + parameter + "." + state + " does not belong to this optimizer");
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
  const bool adam = settings_.kind != Kind::kSgd;
  const auto options = groups_.front().parameters.front().tensor.options().dtype(at::kFloat);
  flat_.steps = at::zeros({count}, options);
  flat_.gradients = at::zeros({total}, options);
  if (adam || settings_.momentum != 0) flat_.first = at::zeros({total}, options);
  if (adam) flat_.second = at::zeros({total}, options);
  std::int64_t offset = 0, number = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (std::size_t i = 0; i < states_[g].size(); ++i, ++number) {
      const auto& parameter = groups_[g].parameters[i].tensor;
      auto& state = states_[g][i];
      const auto piece = [&](const at::Tensor& flat) {
        return flat.defined() ? flat.as_strided(parameter.sizes(), parameter.strides(), offset) : at::Tensor();
      };
      state = {piece(flat_.first), piece(flat_.second), adam ? flat_.steps[number] : at::Tensor(),
               piece(flat_.gradients)};
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

std::vector<Optimizer::Slot> Optimizer::slots() const {
  std::vector<Slot> slots;
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (std::size_t i = 0; i < states_[g].size(); ++i) {
      const auto& tensor = groups_[g].parameters[i].tensor;
      slots.push_back({tensor, tensor.grad(), states_[g][i].first, states_[g][i].second, static_cast<int>(g)});
    }
  return slots;
}

std::size_t Optimizer::stateBytes() const {
  std::size_t bytes = 0;
  if (reserved()) {
    for (const auto& flat : {flat_.first, flat_.second, flat_.steps}) bytes += flat.defined() ? flat.nbytes() : 0;
    return bytes;
  }
  for (const auto& entry : state()) bytes += entry.tensor.nbytes();
  return bytes;
}

}  // namespace resnet_torch::optim
