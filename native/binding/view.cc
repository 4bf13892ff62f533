#include "binding/view.h"

#include <algorithm>
#include <string>

#include "binding/arguments.h"

namespace resnet_torch::binding {

namespace {

constexpr int kMostSide = 1 << 14;
constexpr double kMostRatio = 1000;

std::string written(double value) {
  auto text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

double toProbability(const Napi::Value& value, const std::string& name) {
  const double probability = toNumber(value, name);
  if (!(probability >= 0 && probability <= 1)) invalid(name, "from 0 to 1");
  return probability;
}

/// Two numbers in order, in the parameter's bounds.
void readRange(const Napi::Value& value, const data::Parameter& parameter, const std::string& name, double* range) {
  if (!value.IsArray() || value.As<Napi::Array>().Length() != 2) invalid(name, "an array of two numbers");
  const auto array = value.As<Napi::Array>();
  for (std::uint32_t i = 0; i < 2; ++i) range[i] = toNumber(array.Get(i), name);
  const auto [_, kind, low, high, positive] = parameter;
  if (!(range[0] >= low && range[0] <= range[1] && range[1] <= high && (!positive || range[0] > 0)))
    invalid(name, "two numbers in order, " + std::string(positive ? "above " : "at least ") + written(low) +
                      " and at most " + written(high));
}

/// Of the crop, whose ranges hold no 0.
void readCropRange(const Napi::Object& crop, const char* name, double most, double (&range)[2]) {
  readRange(crop.Get(name), {name, data::Parameter::Kind::kRange, 0, most, true}, std::string("crop.") + name, range);
}

data::TransformSpec toTransform(const Napi::Object& object) {
  const auto name = toText(object.Get("name"), "transforms.name");
  const auto* const transform = data::findTransform(name);
  if (!transform) invalid("transforms.name", "the name of a transform, not '" + name + "'");
  data::TransformSpec spec{transform, {}};
  for (const auto& parameter : transform->parameters) {
    const auto full = name + "." + parameter.name;
    const auto value = object.Get(parameter.name);
    const auto at = spec.values.size();
    spec.values.resize(at + parameter.values());
    if (parameter.kind == data::Parameter::Kind::kRange) {
      readRange(value, parameter, full, spec.values.data() + at);
      continue;
    }
    const double number = spec.values[at] = toNumber(value, full);
    if (!(number >= parameter.low && number <= parameter.high))
      invalid(full, "from " + written(parameter.low) + " to " + written(parameter.high));
  }
  return spec;
}

}  // namespace

data::CropOptions toCrop(const Napi::Object& object) {
  data::CropOptions crop;
  const auto kind = toText(object.Get("kind"), "crop.kind");
  if (kind != "center" && kind != "random") invalid("crop.kind", "'center' or 'random'");
  crop.kind = kind == "random" ? data::CropOptions::Kind::kRandom : data::CropOptions::Kind::kCenter;
  crop.size = static_cast<int>(toInteger(object.Get("size"), "crop.size", 1, kMostSide));
  crop.resize = static_cast<int>(toInteger(object.Get("resize"), "crop.resize", 1, kMostSide));
  readCropRange(object, "scale", 1, crop.scale);
  readCropRange(object, "ratio", kMostRatio, crop.ratio);
  crop.flip = toProbability(object.Get("flip"), "crop.flip");
  if (const auto vertical = object.Get("verticalFlip"); !vertical.IsUndefined())
    crop.verticalFlip = toProbability(vertical, "crop.verticalFlip");
  return crop;
}

data::ViewSpec toView(const Napi::Object& object) {
  data::ViewSpec view{toCrop(toObject(object.Get("crop"), "crop")), {}};
  const auto given = object.Get("transforms");
  if (given.IsUndefined()) return view;
  if (!given.IsArray()) invalid("transforms", "an array");
  const auto array = given.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    auto spec = toTransform(toObject(array.Get(i), "transforms"));
    // Two of a kind would be drawn from the same numbers.
    const auto isSame = [&](const auto& each) { return each.transform == spec.transform; };
    if (std::any_of(view.transforms.begin(), view.transforms.end(), isSame))
      invalid("transforms", std::string("without a second '") + spec.transform->name + "'");
    view.transforms.push_back(std::move(spec));
  }
  return view;
}

}  // namespace resnet_torch::binding
