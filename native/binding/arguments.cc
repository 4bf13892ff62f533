#include "binding/arguments.h"

#include <cmath>

#include "binding/async.h"
#include "binding/environment.h"

namespace resnet_torch::binding {

void invalid(const std::string& name, const std::string& expected) {
  throw Error("ERR_INVALID_ARGUMENT", name + " must be " + expected);
}

Napi::Object toObject(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject()) invalid(name, "an object");
  return value.As<Napi::Object>();
}

double toNumber(const Napi::Value& value, const std::string& name) {
  if (!value.IsNumber()) invalid(name, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

std::int64_t toInteger(const Napi::Value& value, const std::string& name, std::int64_t low, std::int64_t high) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(std::trunc(number) == number && number >= static_cast<double>(low) && number <= static_cast<double>(high)))
    invalid(name, "an integer from " + std::to_string(low) + " to " + std::to_string(high));
  return static_cast<std::int64_t>(number);
}

bool toBoolean(const Napi::Value& value, const std::string& name) {
  if (!value.IsBoolean()) invalid(name, "true or false");
  return value.As<Napi::Boolean>().Value();
}

std::string toText(const Napi::Value& value, const std::string& name) {
  if (!value.IsString()) invalid(name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

std::vector<std::string> toTexts(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) invalid(name, "an array of strings");
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> texts;
  texts.reserve(array.Length());
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    Napi::HandleScope scope(value.Env());
    texts.push_back(toText(array.Get(i), name + "[" + std::to_string(i) + "]"));
  }
  return texts;
}

std::map<std::string, std::string> toTextMap(const Napi::Value& value, const std::string& name) {
  const auto object = toObject(value, name);
  std::map<std::string, std::string> map;
  const auto keys = object.GetPropertyNames();
  for (std::uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).As<Napi::String>();
    map[key] = toText(object.Get(key), name + "." + key);
  }
  return map;
}

std::vector<std::int64_t> toIntegers(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) invalid(name, "an array of integers");
  const auto array = value.As<Napi::Array>();
  std::vector<std::int64_t> integers;
  for (std::uint32_t i = 0; i < array.Length(); ++i)
    integers.push_back(toInteger(array.Get(i), name + "[" + std::to_string(i) + "]", 0, kSafeInteger));
  return integers;
}

Floats toFloats(const Napi::Value& value, const std::string& name) {
  Floats floats;
  const auto type = value.IsTypedArray() ? value.As<Napi::TypedArray>().TypedArrayType() : napi_uint8_array;
  if (type == napi_float32_array) {
    const auto array = value.As<Napi::Float32Array>();
    floats.narrow32.assign(array.Data(), array.Data() + array.ElementLength());
  } else if (type == napi_float64_array) {
    const auto array = value.As<Napi::Float64Array>();
    floats.wide = true;
    floats.wide64.assign(array.Data(), array.Data() + array.ElementLength());
  } else {
    invalid(name, "a Float32Array or a Float64Array");
  }
  return floats;
}

std::vector<std::int32_t> toInt32s(const Napi::Value& value, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array)
    invalid(name, "an Int32Array");
  const auto array = value.As<Napi::Int32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<double> toFloat64s(const Napi::Value& value, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array)
    invalid(name, "a Float64Array");
  const auto array = value.As<Napi::Float64Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::span<const std::uint8_t> toBytes(const Napi::Value& value, const std::string& name) {
  const auto type = value.IsTypedArray() ? value.As<Napi::TypedArray>().TypedArrayType() : napi_int8_array;
  if (type != napi_uint8_array && type != napi_uint8_clamped_array) invalid(name, "a Uint8Array");
  const auto array = value.As<Napi::TypedArray>();
  auto buffer = array.ArrayBuffer();
  return {static_cast<const std::uint8_t*>(buffer.Data()) + array.ByteOffset(), array.ByteLength()};
}

namespace {

class CancelToken final : public Napi::ObjectWrap<CancelToken> {
 public:
  explicit CancelToken(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<CancelToken>(info), flag_(std::make_shared<CancelFlag>()) {}

  const CancelFlagPtr& flag() const { return flag_; }
  void cancel(const Napi::CallbackInfo&) { flag_->cancel(); }

 private:
  CancelFlagPtr flag_;
};

}  // namespace

Napi::Function defineCancelToken(Napi::Env env) {
  const auto constructor =
      CancelToken::DefineClass(env, "CancelToken", {CancelToken::InstanceMethod<&CancelToken::cancel>("cancel")});
  Environment::of(env).keepConstructor("CancelToken", constructor);
  return constructor;
}

CancelFlagPtr toCancelFlag(const Napi::Value& value) {
  if (value.IsUndefined()) return std::make_shared<CancelFlag>();
  if (!Environment::of(value.Env()).isInstance(value, "CancelToken")) invalid("cancel", "a CancelToken");
  return CancelToken::Unwrap(value.As<Napi::Object>())->flag();
}

}  // namespace resnet_torch::binding
