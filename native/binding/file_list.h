#pragma once

#include <napi.h>

#include <memory>

#include "data/loader.h"

namespace resnet_torch::binding {

/// The list behind a wrapped `FileList`; ERR_DISPOSED where it was disposed of.
std::shared_ptr<const data::FileList> toFileList(const Napi::Value& value);

}  // namespace resnet_torch::binding
