#pragma once

#include <napi.h>

#include <memory>

#include "binding/arguments.h"
#include "core/executor.h"
#include "model/network.h"
#include "model/safetensors.h"

namespace resnet_torch::binding {

/// The model behind a wrapped `Model`; ERR_DISPOSED where it was disposed of.
std::shared_ptr<model::Network> toModel(const Napi::Value& value);

/// The executor of the device on which a model lives.
Executor& executorOf(const model::Network& model);

std::vector<model::StoredTensor> toStoredTensors(const Napi::Value& value, const std::string& name);

/// 'float32' | 'float64', or nothing for `own`.
at::ScalarType toDtype(const Napi::Value& value, at::ScalarType own);

/// The dtype computed in, from 'dtype' | 'bf16' | 'fp16'; ERR_INVALID_ARGUMENT for fp16 on the CPU.
at::ScalarType toCompute(const Napi::Value& value, const model::Network& model);

/// ERR_SHAPE_MISMATCH where a caller's values and shape do not fit each other, or are no images.
void checkImages(const Floats& values, const std::vector<std::int64_t>& shape);

/// Checked values as a float tensor of the model's dtype; ERR_NON_FINITE where they are not finite. It may be the
/// caller's memory. On the executor.
at::Tensor toImages(const model::Network& model, const Floats& values, const std::vector<std::int64_t>& shape);

/// Values of a tensor, row-major, as a Float32Array or a Float64Array (also for integers).
Napi::Value toFloatArray(Napi::Env env, const at::Tensor& tensor);
/// The same without a copy: the array keeps the tensor, which must be contiguous and in no other's hands.
Napi::Value asFloatArray(Napi::Env env, const at::Tensor& tensor);

}  // namespace resnet_torch::binding
