#pragma once

#include <napi.h>

#include <memory>

#include "data/feature_cache.h"

namespace resnet_torch::binding {

/// The cache behind a wrapped `FeatureCache`; null for null. ERR_DISPOSED where it was disposed of.
std::shared_ptr<data::FeatureCache> toFeatureCache(const Napi::Value& value);

}  // namespace resnet_torch::binding
