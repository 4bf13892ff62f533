#include "binding/vips_path.h"

#include "data/other_formats.h"

namespace resnet_torch::binding {

void setVipsLibrary(const std::string& path) {
  data::setVipsLibrary(path);
}

}  // namespace resnet_torch::binding
