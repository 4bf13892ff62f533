#pragma once

#include <napi.h>

#include "data/view/spec.h"

namespace resnet_torch::binding {

/// `CropOptions` of contract/data.ts.
data::CropOptions toCrop(const Napi::Object& object);

/// `crop` and `transforms` of an object, as contract/data.ts has them.
data::ViewSpec toView(const Napi::Object& object);

}  // namespace resnet_torch::binding
