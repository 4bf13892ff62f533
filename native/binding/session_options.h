#pragma once

#include <napi.h>

#include <optional>

#include "model/network.h"
#include "train/session_options.h"

namespace resnet_torch::binding {

/// `NativeSessionOptions` of the contract.
train::SessionOptions toSessionOptions(const model::Network& model, const Napi::Object& object);

/// Its `imageChannels`, or nothing.
std::optional<std::int64_t> toImageChannels(const Napi::Object& object, at::Device device);

}  // namespace resnet_torch::binding
