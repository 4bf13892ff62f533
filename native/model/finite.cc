#include "model/finite.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <bit>
#include <limits>

namespace resnet_torch::model {

namespace {

/// Of one thread at a time.
constexpr std::int64_t kAtOnce = 1 << 16;

/// Bits of a number's exponent, all of which are set where it is not finite.
template <class Bits>
constexpr Bits kExponent = 0;
template <>
constexpr std::uint32_t kExponent<std::uint32_t> = 0x7F800000;
template <>
constexpr std::uint64_t kExponent<std::uint64_t> = 0x7FF0000000000000;

/// Without a branch, so that it is as fast as memory: the exponent's lowest bit added to it carries into the sign.
template <class Bits, class Value>
bool finite(const Value* from, std::int64_t count) {
  constexpr Bits kSign = ~(~Bits{0} >> 1), kLowest = kExponent<Bits> & (~kExponent<Bits> + 1);
  Bits carried = 0;
  for (std::int64_t i = 0; i < count; ++i) carried |= (std::bit_cast<Bits>(from[i]) & kExponent<Bits>)+kLowest;
  return (carried & kSign) == 0;
}

template <class Bits, class Value>
bool finiteEverywhere(const at::Tensor& values) {
  const auto* from = values.const_data_ptr<Value>();
  std::atomic<bool> all{true};
  at::parallel_for(0, values.numel(), kAtOnce, [&](std::int64_t first, std::int64_t last) {
    if (!finite<Bits>(from + first, last - first)) all.store(false, std::memory_order_relaxed);
  });
  return all.load();
}

/// Infinity where a value is not finite.
double largest(const at::Tensor& values) {
  if (!allFinite(values)) return std::numeric_limits<double>::infinity();
  return values.numel() == 0 ? 0 : values.abs().max().item<double>();
}

}  // namespace

bool allFinite(const at::Tensor& values) {
  TORCH_CHECK(values.device().is_cpu());
  if (!values.is_non_overlapping_and_dense() ||
      (values.scalar_type() != at::kFloat && values.scalar_type() != at::kDouble))
    return at::isfinite(values).all().item<bool>();
  return values.scalar_type() == at::kFloat ? finiteEverywhere<std::uint32_t, float>(values)
                                            : finiteEverywhere<std::uint64_t, double>(values);
}

bool surelyFiniteProduct(const at::Tensor& a, const at::Tensor& b) {
  const double most = a.scalar_type() == at::kDouble ? std::numeric_limits<double>::max()
                                                     : static_cast<double>(std::numeric_limits<float>::max());
  // Half of it: sums are rounded.
  return largest(a) * largest(b) * static_cast<double>(a.size(0)) < most / 2;
}

}  // namespace resnet_torch::model
