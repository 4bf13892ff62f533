#pragma once

#include <napi.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/errors.h"

namespace resnet_torch::binding {

// Reads of arguments. Each throws an Error with ERR_INVALID_ARGUMENT that names the argument; call them inside
// guarded().

/// JavaScript's Number.MAX_SAFE_INTEGER.
inline constexpr std::int64_t kSafeInteger = INT64_C(9007199254740991);

[[noreturn]] void invalid(const std::string& name, const std::string& expected);

Napi::Object toObject(const Napi::Value& value, const std::string& name);
double toNumber(const Napi::Value& value, const std::string& name);
/// A safe integer in [low, high].
std::int64_t toInteger(const Napi::Value& value, const std::string& name, std::int64_t low, std::int64_t high);
bool toBoolean(const Napi::Value& value, const std::string& name);
std::string toText(const Napi::Value& value, const std::string& name);
std::vector<std::string> toTexts(const Napi::Value& value, const std::string& name);
std::map<std::string, std::string> toTextMap(const Napi::Value& value, const std::string& name);
std::vector<std::int64_t> toIntegers(const Napi::Value& value, const std::string& name);

/// A copy of a Float32Array's or Float64Array's values.
struct Floats {
  bool wide = false;  ///< float64
  std::vector<float> narrow32;
  std::vector<double> wide64;
  std::size_t size() const { return wide ? wide64.size() : narrow32.size(); }
  const void* data() const { return wide ? static_cast<const void*>(wide64.data()) : narrow32.data(); }
};
Floats toFloats(const Napi::Value& value, const std::string& name);
std::vector<std::int32_t> toInt32s(const Napi::Value& value, const std::string& name);
std::vector<double> toFloat64s(const Napi::Value& value, const std::string& name);
/// The bytes of a Uint8Array or Uint8ClampedArray themselves; valid in the call alone.
std::span<const std::uint8_t> toBytes(const Napi::Value& value, const std::string& name);

/// The flag of a CancelToken, or a fresh one where the argument is undefined.
CancelFlagPtr toCancelFlag(const Napi::Value& value);
Napi::Function defineCancelToken(Napi::Env env);

template <class Array, class Element>
Napi::Value typedArray(Napi::Env env, const std::vector<Element>& values) {
  auto array = Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

}  // namespace resnet_torch::binding
