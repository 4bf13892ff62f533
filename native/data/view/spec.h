#pragma once

#include <string>
#include <vector>

#include "data/view/geometry.h"
#include "data/view/transform.h"

namespace resnet_torch::data {

/// What is made of an image: the part of it that is shown, and what is done with its pixels, in this order.
struct ViewSpec {
  CropOptions crop;
  std::vector<TransformSpec> transforms;
};

/// What remains to be done with pixels, [size, size, 3] bytes, that the crop was resized to: rows flipped, and the
/// transforms.
void finishView(const ViewSpec& spec, const Address& address, std::uint8_t* pixels);

/// The bytes that name the view of an address, whatever the image: where they are equal for two specs and addresses,
/// so are the views. All of the spec is in them, a flip's probability as whether it happens here, so that every epoch
/// of a run has the same two names; the address is in them where anything else is drawn at it.
std::string viewBytes(const ViewSpec& spec, const Address& address);

}  // namespace resnet_torch::data
