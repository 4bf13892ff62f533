#pragma once

#include <napi.h>

#include <optional>

#include "binding/arguments.h"
#include "train/session.h"

namespace resnet_torch::binding {

/// Images, shape and labels of step() and gradients().
struct OwnBatch {
  Floats values;
  std::vector<std::int64_t> shape;
  train::Targets targets;
};

OwnBatch toOwnBatch(const model::Network& model, const Napi::CallbackInfo& info);

/// Where the caller's batch has its randomness; nothing where that is left to the session.
std::optional<train::BatchAddress> toAddress(const Napi::Value& value, std::int64_t images);

/// What a step on images of the caller's begins with. On the executor.
at::Tensor ownInput(train::Session& session, const OwnBatch& batch);

/// Gradients of the caller's, by parameter name, each of one dimension.
std::map<std::string, at::Tensor> toGradients(const Napi::Value& value);

}  // namespace resnet_torch::binding
