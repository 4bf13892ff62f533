#pragma once

#include "binding/arguments.h"
#include "optim/rules.h"

namespace resnet_torch::binding {

/// `NativeOptimizer` of src/native/contract/optimizer.ts: the rule of its kind, and every setting of that by its
/// name.
optim::Settings toOptimizer(const Napi::Object& object);

}  // namespace resnet_torch::binding
