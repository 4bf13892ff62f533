#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "data/loader.h"

namespace resnet_torch::binding {

/// The loader behind a wrapped `Loader`; ERR_DISPOSED where it was disposed of.
std::shared_ptr<data::Loader> toLoader(const Napi::Value& value);

/// `ImageFailure[]` of binding.ts.
Napi::Value toFailures(Napi::Env env, const std::vector<data::ImageFailure>& failures);

}  // namespace resnet_torch::binding
