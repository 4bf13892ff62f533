#include "model/weight_faults.h"

#include <algorithm>

#include "core/errors.h"
#include "model/finite.h"

namespace resnet_torch::model {

namespace {

constexpr std::size_t kMostNames = 5;

/// Means of squares: BatchNorm's, Adam's and RMSprop's.
bool isVariance(const std::string& name) {
  return name.ends_with(".running_var") || name.ends_with(".exp_avg_sq") || name.ends_with(".square_avg");
}

bool anyBelowZero(const at::Tensor& values) {
  return values.numel() > 0 && values.min().item<double>() < 0;
}

/// The place of a value, as [1, 0, 2].
std::string placeOf(std::int64_t index, at::IntArrayRef sizes) {
  std::string place;
  for (std::size_t d = sizes.size(); d-- > 0; index /= sizes[d])
    place = std::to_string(index % sizes[d]) + (place.empty() ? "" : ", ") + place;
  return "[" + place + "]";
}

std::string wordOf(double value) {
  if (value != value) return "NaN";
  if (value - value != 0) return value > 0 ? "Infinity" : "-Infinity";
  return std::to_string(value);
}

std::string describe(const std::string& name, const at::Tensor& values) {
  const auto wide = values.to(at::kDouble).contiguous();
  const auto notFinite = at::isfinite(wide).logical_not();
  const bool broken = notFinite.any().item<bool>();
  const auto places = (broken ? notFinite : wide.lt(0)).flatten().nonzero();
  const auto first = places[0].item<std::int64_t>();
  const auto count = places.size(0);
  const std::string what = broken ? (count == 1 ? " value that is not finite" : " values that are not finite")
                                  : (count == 1 ? " value below zero" : " values below zero");
  return name + " has " + std::to_string(count) + what + ", of " + std::to_string(wide.numel()) + " (the first, " +
         wordOf(wide.flatten()[first].item<double>()) + ", at " + placeOf(first, wide.sizes()) + ")";
}

}  // namespace

bool WeightFaults::check(const std::string& name, const at::Tensor& values) {
  if (allFinite(values) && !(isVariance(name) && anyBelowZero(values))) return true;
  if (names_.empty()) first_ = describe(name, values);
  names_.push_back(name);
  return false;
}

void WeightFaults::throwIfAny(const char* code, const std::string& source) const {
  if (names_.empty()) return;
  std::string others;
  for (std::size_t i = 1; i < std::min(names_.size(), kMostNames + 1); ++i)
    others += (i == 1 ? ". So have " : ", ") + names_[i];
  if (names_.size() > kMostNames + 1) others += " and " + std::to_string(names_.size() - kMostNames - 1) + " more";
  throw Error(code, source + ": " + first_ + others +
                        ". Nothing that a network with such values answers means anything: use a checkpoint from "
                        "before they came about, or train again with a lower learning rate");
}

}  // namespace resnet_torch::model
