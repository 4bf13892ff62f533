#pragma once

#include <napi.h>

#include <memory>

#include "binding/arguments.h"
#include "core/executor.h"
#include "model/resnet50.h"
#include "model/safetensors.h"

namespace resnet_torch::binding {

/// The model behind a wrapped `Model`; ERR_DISPOSED where it was disposed of.
std::shared_ptr<model::ResNet50> toModel(const Napi::Value& value);

/// The executor of the device on which a model lives.
Executor& executorOf(const model::ResNet50& model);

std::vector<model::StoredTensor> toStoredTensors(const Napi::Value& value, const std::string& name);

/// The dtype computed in, from 'dtype' | 'bf16' | 'fp16'; ERR_INVALID_ARGUMENT for fp16 on the CPU.
at::ScalarType toCompute(const Napi::Value& value, const model::ResNet50& model);

/// A float tensor of the model's dtype from the caller's values and shape; ERR_SHAPE_MISMATCH where they do not fit.
at::Tensor toImages(const model::ResNet50& model, const Floats& values, const std::vector<std::int64_t>& shape);

/// Values of a tensor, row-major, as a Float32Array or a Float64Array (also for integers).
Napi::Value toFloatArray(Napi::Env env, const at::Tensor& tensor);
/// The same without a copy: the array keeps the tensor, which must be contiguous and in no other's hands.
Napi::Value asFloatArray(Napi::Env env, const at::Tensor& tensor);

}  // namespace resnet_torch::binding
