#pragma once

#include <ATen/core/TensorBody.h>
#include <napi.h>

namespace resnet_torch::binding {

/// `cpu` or `cuda:N` as a device that is there; else throws an Error with ERR_CUDA_UNAVAILABLE.
at::Device toDevice(const Napi::Value& value, const std::string& name);

/// CUDA devices that answer; 0 in the CPU variant.
int cudaDevices();

/// Has the driver asked for devices on a thread of its own: the first time takes some tenths of a second, and the
/// functions here wait for what is left of them. A promise of nothing.
Napi::Value askCuda(const Napi::CallbackInfo& call);

/// What `NativeCudaStatus` of src/native/binding.ts declares.
Napi::Value cudaStatus(const Napi::CallbackInfo& call);

}  // namespace resnet_torch::binding
