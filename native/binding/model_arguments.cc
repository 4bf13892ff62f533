/// Arguments and answers of what works with models.

#include "binding/model.h"
#include "model/device_kernels.h"
#include "model/finite.h"
#include "train/non_finite.h"

namespace resnet_torch::binding {

using model::Network;

/// 'float32' | 'float64', or nothing for `own`.
at::ScalarType toDtype(const Napi::Value& value, at::ScalarType own) {
  if (value.IsUndefined()) return own;
  const auto dtype = toText(value, "dtype");
  if (dtype != "float32" && dtype != "float64") invalid("dtype", "'float32' or 'float64'");
  return dtype == "float64" ? at::kDouble : at::kFloat;
}

Executor& executorOf(const Network& model) {
  return Executor::forDevice(model.device().str());
}

std::vector<model::StoredTensor> toStoredTensors(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) invalid(name, "an array of stored tensors");
  const auto array = value.As<Napi::Array>();
  std::vector<model::StoredTensor> tensors;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    Napi::HandleScope scope(value.Env());
    const auto item = toObject(array.Get(i), name);
    model::StoredTensor tensor;
    tensor.name = toText(item.Get("name"), name + ".name");
    tensor.dtype = toText(item.Get("dtype"), name + ".dtype");
    tensor.shape = toIntegers(item.Get("shape"), name + ".shape");
    tensor.offset = static_cast<std::size_t>(toInteger(item.Get("offset"), name + ".offset", 0, kSafeInteger));
    tensor.length = static_cast<std::size_t>(toInteger(item.Get("length"), name + ".length", 0, kSafeInteger));
    const Napi::Value strides = item.Get("strides"), rows = item.Get("rows");
    if (!strides.IsUndefined()) tensor.strides = toIntegers(strides, name + ".strides");
    if (!rows.IsUndefined()) tensor.rows = toInt32s(rows, name + ".rows");
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

at::ScalarType toCompute(const Napi::Value& value, const Network& model) {
  const auto compute = toText(value, "compute");
  if (compute == "dtype") return model.dtype();
  if (compute == "bf16") return at::kBFloat16;
  if (compute != "fp16") invalid("compute", "'dtype', 'bf16' or 'fp16'");
  if (model.device().is_cpu())
    throw Error("ERR_INVALID_ARGUMENT", "fp16 needs a CUDA device: on the CPU use the precision 'bf16' or 'fp32'");
  return at::kHalf;
}

void checkImages(const Floats& values, const std::vector<std::int64_t>& shape) {
  if (shape.size() != 4 || shape[0] < 1 || shape[1] != 3 || shape[2] < 32 || shape[3] < 32)
    throw Error("ERR_SHAPE_MISMATCH",
                "shape must be [n, 3, height, width] with n ≥ 1 and sides of at least 32 pixels");
  const double count =
      static_cast<double>(shape[0]) * 3 * static_cast<double>(shape[2]) * static_cast<double>(shape[3]);
  if (count != static_cast<double>(values.size()))
    throw Error("ERR_SHAPE_MISMATCH", "images has " + std::to_string(values.size()) +
                                          " values, and its shape asks for " +
                                          std::to_string(static_cast<std::int64_t>(count)));
}

at::Tensor toImages(const Network& model, const Floats& values, const std::vector<std::int64_t>& shape) {
  const auto images = at::from_blob(const_cast<void*>(values.data()), shape, values.wide ? at::kDouble : at::kFloat)
                          .to(model.dtype());
  train::requireFiniteImages(images);
  return images;
}

Napi::Value toFloatArray(Napi::Env env, const at::Tensor& tensor) {
  const auto count = static_cast<std::size_t>(tensor.numel());
  if (tensor.scalar_type() == at::kDouble) {
    auto array = Napi::Float64Array::New(env, count);
    std::copy_n(tensor.const_data_ptr<double>(), count, array.Data());
    return array;
  }
  auto array = Napi::Float32Array::New(env, count);
  std::copy_n(tensor.const_data_ptr<float>(), count, array.Data());
  return array;
}

Napi::Value asFloatArray(Napi::Env env, const at::Tensor& tensor) {
  auto kept = std::make_unique<at::Tensor>(tensor);
  auto* held = kept.get();
  const auto buffer = Napi::ArrayBuffer::New(env, held->mutable_data_ptr(), held->nbytes(),
                                             [held](Napi::Env, void*) { delete held; });
  kept.release();
  const auto count = static_cast<std::size_t>(tensor.numel());
  if (tensor.scalar_type() == at::kDouble) return Napi::Float64Array::New(env, count, buffer, 0);
  return Napi::Float32Array::New(env, count, buffer, 0);
}

}  // namespace resnet_torch::binding
