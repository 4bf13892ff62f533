#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/rng.h"
#include "data/view/geometry.h"

namespace resnet_torch::data {

/// A view, [size, size, 3] bytes: red, green and blue.
struct Pixels {
  std::uint8_t* data;
  int size;
  std::size_t count() const { return static_cast<std::size_t>(size) * size; }
};

/// What a transform takes: a number, or a range that a number is drawn from.
struct Parameter {
  enum class Kind { kNumber, kRange };
  const char* name;
  Kind kind;
  double low, high;  ///< what it may be, both included; no number of a range with `positive` may be 0
  bool positive = false;

  std::size_t values() const { return kind == Kind::kRange ? 2 : 1; }
};

/// Something that is done with the pixels of a view, and drawn at its address. Each has a file, which defines it, and
/// a row of the table in transforms.cc; the rest, such as reading its parameters and naming its views, follows.
struct Transform {
  const char* name;  ///< as src/native/contract/data.ts has it
  Purpose purpose;
  std::span<const Parameter> parameters;
  /// `values` are those of the parameters, one after the other.
  void (*apply)(std::span<const double> values, AddressedRandom random, Pixels view);
};

/// A transform with its parameters.
struct TransformSpec {
  const Transform* transform = nullptr;
  std::vector<double> values;  ///< as many as the parameters have together

  void apply(const Address& address, Pixels view) const;
};

/// All there are, and one by its name, or null.
std::span<const Transform* const> transforms();
const Transform* findTransform(std::string_view name);

extern const Transform kColorJitter, kGrayscale, kRandomErasing;

}  // namespace resnet_torch::data
