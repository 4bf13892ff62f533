#include "data/view/spec.h"

#include "data/field_bytes.h"

namespace resnet_torch::data {

namespace {

/// Every field by name: one that is added is missing here, and the compiler says so.
void addCrop(FieldBytes& fields, const CropOptions& crop, const Address& address) {
  const auto& [kind, size, resize, scale, ratio, flip, verticalFlip] = crop;
  fields.add(static_cast<std::int32_t>(size));
  fields.add(static_cast<std::uint8_t>((flipOf(crop, address) ? 1 : 0) | (verticalFlipOf(crop, address) ? 2 : 0)));
  switch (kind) {
    case CropOptions::Kind::kCenter:
      fields.add('c');
      fields.add(static_cast<std::int32_t>(resize));
      return;
    case CropOptions::Kind::kRandom:
      fields.add('r');
      for (const double value : {scale[0], scale[1], ratio[0], ratio[1]}) fields.add(value);
      return;
  }
}

}  // namespace

void finishView(const ViewSpec& spec, const Address& address, std::uint8_t* pixels) {
  const Pixels view{pixels, spec.crop.size};
  if (verticalFlipOf(spec.crop, address)) flipRows(view.data, view.size);
  for (const auto& each : spec.transforms) each.apply(address, view);
}

std::string viewBytes(const ViewSpec& spec, const Address& address) {
  const auto& [crop, transforms] = spec;
  FieldBytes fields;
  addCrop(fields, crop, address);
  for (const auto& [transform, values] : transforms) {
    fields.add(std::string(transform->name));
    for (const double value : values) fields.add(value);
  }
  if (crop.kind == CropOptions::Kind::kCenter && transforms.empty()) return fields.bytes();
  // The index too: what is drawn at it moves when files come or go. The address is last, and as long everywhere, so
  // that no spec's bytes are another's.
  for (const auto value : {address.seed, address.epoch, address.index}) fields.add(value);
  return fields.bytes();
}

}  // namespace resnet_torch::data
