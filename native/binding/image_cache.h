#pragma once

#include <napi.h>

#include <memory>

#include "data/image_cache.h"

namespace resnet_torch::binding {

/// The cache behind a wrapped `ImageCache`, or none for null or nothing; ERR_DISPOSED where it was disposed of.
std::shared_ptr<data::ImageCache> toImageCache(const Napi::Value& value);

}  // namespace resnet_torch::binding
