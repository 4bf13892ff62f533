#include "model/finite.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <cstring>
#include <limits>
#include <type_traits>

namespace resnet_torch::model {

namespace {

/// Of one thread at a time.
constexpr std::int64_t kAtOnce = 1 << 16;

/// Bits of a number's exponent, all of which are set where it is not finite.
template <class Value>
constexpr int kExponent = 0;
template <>
constexpr std::uint32_t kExponent<float> = 0x7F800000;
template <>
constexpr std::uint64_t kExponent<double> = 0x7FF0000000000000;
template <>
constexpr std::uint16_t kExponent<at::Half> = 0x7C00;
template <>
constexpr std::uint16_t kExponent<at::BFloat16> = 0x7F80;

/// Without a branch, so that it is as fast as memory: the exponent's lowest bit added to it carries into the sign.
template <class Value>
bool finite(const Value* from, std::int64_t count) {
  using Bits = std::remove_const_t<decltype(kExponent<Value>)>;
  constexpr Bits kSign = std::numeric_limits<Bits>::max() - std::numeric_limits<Bits>::max() / 2;
  constexpr Bits kLowest = kExponent<Value> & -kExponent<Value>;
  Bits carried = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, from + i, sizeof bits);
    carried = static_cast<Bits>(carried | ((bits & kExponent<Value>)+kLowest));
  }
  return (carried & kSign) == 0;
}

template <class Value>
bool finiteEverywhere(const at::Tensor& values) {
  const auto* from = static_cast<const Value*>(values.const_data_ptr());
  std::atomic<bool> all{true};
  at::parallel_for(0, values.numel(), kAtOnce, [&](std::int64_t first, std::int64_t last) {
    if (!finite(from + first, last - first)) all.store(false, std::memory_order_relaxed);
  });
  return all.load();
}

/// Of one channel of images that lie channels-last, [n, h, w].
template <class Value>
bool finiteOneByOne(const at::Tensor& values) {
  if (values.dim() != 3) return at::isfinite(values).all().item<bool>();
  const auto* from = static_cast<const Value*>(values.const_data_ptr());
  float sum = 0;
  for (std::int64_t i = 0; i < values.size(0); ++i)
    for (std::int64_t j = 0; j < values.size(1); ++j)
      for (std::int64_t k = 0; k < values.size(2); ++k)
        sum += 0 * static_cast<float>(from[i * values.stride(0) + j * values.stride(1) + k * values.stride(2)]);
  return sum == 0;
}

/// Infinity where a value is not finite.
double largest(const at::Tensor& values) {
  if (!allFinite(values)) return std::numeric_limits<double>::infinity();
  return values.numel() == 0 ? 0 : values.abs().max().item<double>();
}

}  // namespace

bool allFinite(const at::Tensor& values) {
  TORCH_CHECK(values.device().is_cpu());
  if (!values.is_floating_point()) return true;
  if (values.is_non_overlapping_and_dense()) {
    const auto type = values.scalar_type();
    if (type == at::kFloat) return finiteEverywhere<float>(values);
    if (type == at::kDouble) return finiteEverywhere<double>(values);
    if (type == at::kHalf) return finiteEverywhere<at::Half>(values);
    if (type == at::kBFloat16) return finiteEverywhere<at::BFloat16>(values);
  }
  if (values.scalar_type() == at::kFloat) return finiteOneByOne<float>(values);
  if (values.scalar_type() == at::kBFloat16) return finiteOneByOne<at::BFloat16>(values);
  return at::isfinite(values).all().item<bool>();
}

bool allFiniteAnywhere(const at::Tensor& values) {
  return values.device().is_cpu() ? allFinite(values) : at::isfinite(values).all().item<bool>();
}

std::vector<std::int64_t> rowsNotFinite(const at::Tensor& values) {
  if (allFiniteAnywhere(values)) return {};
  const auto rows = at::isfinite(values).logical_not().flatten(1).any(1).nonzero().flatten().cpu();
  const auto* from = rows.const_data_ptr<std::int64_t>();
  return {from, from + rows.numel()};
}

bool surelyFiniteProduct(const at::Tensor& a, const at::Tensor& b) {
  const double most = a.scalar_type() == at::kDouble ? std::numeric_limits<double>::max()
                                                     : static_cast<double>(std::numeric_limits<float>::max());
  // Half of it: sums are rounded.
  return largest(a) * largest(b) * static_cast<double>(a.size(0)) < most / 2;
}

}  // namespace resnet_torch::model
