#include <ATen/Parallel.h>

#include <array>
#include <utility>

#include "optim/batch.h"

// Rules that ATen has no fused kernel for: one sweep over the memory of a parameter, its gradient and its slots.
namespace resnet_torch::optim {

namespace {

/// Values that are worth a thread of their own.
constexpr std::int64_t kGrain = 16384;

/// The step of one value. Apart from the loop: an array that is declared in a simd loop has a copy for every lane,
/// and GCC does not vectorise over it.
template <class T, class Update, std::size_t... kSlot>
inline void stepValue(std::int64_t i, T* parameter, const T* gradient, const std::array<T*, kMostSlots>& of,
                      const Update& update, std::index_sequence<kSlot...>) {
  T slots[] = {of[kSlot][i]..., T(0)};
  T value = parameter[i];
  update(value, gradient[i], slots);
  parameter[i] = value;
  ((of[kSlot][i] = slots[kSlot]), ...);
}

template <class T, class Update, class Slots>
void sweep(std::int64_t begin, std::int64_t end, T* parameter, const T* gradient, const std::array<T*, kMostSlots> of,
           const Update update, Slots slots) {
  // A parameter, its gradient and its slots never overlap, so that many values may be taken at a time.
#pragma omp simd
  for (std::int64_t i = begin; i < end; ++i) stepValue(i, parameter, gradient, of, update, slots);
}

template <class T, class Step>
void stepOne(const Step& step, const TensorStep& told, const at::Tensor& parameter, const at::Tensor& gradient,
             const std::array<at::Tensor, kMostSlots>& slots) {
  const auto update = step.template prepare<T>(told);
  std::array<T*, kMostSlots> of{};
  for (std::size_t k = 0; k < Step::kSlots; ++k) of[k] = slots[k].template mutable_data_ptr<T>();
  auto* values = parameter.mutable_data_ptr<T>();
  const auto* slope = gradient.const_data_ptr<T>();
  at::parallel_for(0, parameter.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    sweep(begin, end, values, slope, of, update, std::make_index_sequence<Step::kSlots>());
  });
}

/// The tensor itself, or on a device a copy that is written back: what autograd trains there is held against the
/// device's own step, and takes its time.
class OnHost {
 public:
  explicit OnHost(at::Tensor tensor) : tensor_(std::move(tensor)) {
    // A copy keeps the order in memory.
    host_ = tensor_.defined() && !tensor_.is_cpu() ? tensor_.to(at::kCPU) : tensor_;
  }
  ~OnHost() {
    if (!host_.is_same(tensor_)) tensor_.copy_(host_);
  }
  OnHost(const OnHost&) = delete;
  OnHost& operator=(const OnHost&) = delete;
  const at::Tensor& get() const { return host_; }

 private:
  at::Tensor tensor_, host_;
};

template <class Step>
void stepAll(const Step& step, const Batch& batch) {
  static_assert(Step::kSlots <= kMostSlots);
  for (std::size_t i = 0; i < batch.parameters.size(); ++i) {
    const auto slotOf = [&](std::size_t k) { return k < batch.slots.size() ? batch.slots[k][i] : at::Tensor(); };
    const OnHost parameter(batch.parameters[i]), gradient(batch.gradients[i]), first(slotOf(0)), second(slotOf(1)),
        third(slotOf(2)), scalar(batch.scalars.empty() ? at::Tensor() : batch.scalars[i]);
    TensorStep told{batch.rate, batch.weightDecay};
    if (!batch.steps.empty()) told.steps = batch.steps[i].item<float>();
    if (!batch.scalars.empty()) told.scalar = scalar.get().mutable_data_ptr<float>();
    AT_DISPATCH_FLOATING_TYPES(parameter.get().scalar_type(), "optimizer", [&] {
      stepOne<scalar_t>(step, told, parameter.get(), gradient.get(), {first.get(), second.get(), third.get()});
    });
  }
}

template <class Rule>
void updateBy(const Rule& rule, Batch& batch) {
  if constexpr (requires { rule.byAten(batch); }) {
    rule.byAten(batch);
  } else {
    rule.specialise([&](const auto& step) { stepAll(step, batch); });
  }
}

}  // namespace

void update(const Settings& settings, Batch& batch) {
  std::visit([&](const auto& rule) { updateBy(rule, batch); }, settings);
}

}  // namespace resnet_torch::optim
