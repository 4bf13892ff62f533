#pragma once

#include <string>

namespace resnet_torch::binding {

/// Where libvips' shared library lies. It is loaded with the first image that needs it; the first path given counts.
void setVipsLibrary(const std::string& path);

}  // namespace resnet_torch::binding
