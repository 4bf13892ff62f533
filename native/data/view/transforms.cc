#include <algorithm>
#include <array>

#include "data/view/transform.h"

namespace resnet_torch::data {

namespace {

const std::array kTransforms{&kColorJitter, &kGrayscale, &kRandomErasing};

}  // namespace

std::span<const Transform* const> transforms() {
  return kTransforms;
}

const Transform* findTransform(std::string_view name) {
  const auto found =
      std::find_if(kTransforms.begin(), kTransforms.end(), [&](const auto* each) { return each->name == name; });
  return found == kTransforms.end() ? nullptr : *found;
}

void TransformSpec::apply(const Address& address, Pixels view) const {
  transform->apply(values, AddressedRandom(address.seed, address.epoch, address.index, transform->purpose), view);
}

}  // namespace resnet_torch::data
