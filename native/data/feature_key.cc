#include "data/feature_key.h"

#include <filesystem>
#include <system_error>

#include "data/field_bytes.h"

namespace resnet_torch::data {

namespace {

void addFile(FieldBytes& fields, const ImageSource& source) {
  const auto& path = source.name;
  std::error_code ignored;
  fields.add(path.starts_with('/') ? path : std::filesystem::absolute(path, ignored).string());
  const auto stamp = stampOf(source);
  fields.add(stamp.bytes);
  if (!stamp.known()) return;
  fields.add(stamp.seconds);
  fields.add(stamp.nanoseconds);
}

void addSpooled(FieldBytes& fields, const SpooledImage& image) {
  for (const auto value : {image.digest.high, image.digest.low}) fields.add(value);
  for (const int value : {image.raw.width, image.raw.height, image.raw.channels})
    fields.add(static_cast<std::int32_t>(value));
}

}  // namespace

FeatureKey featureKey(const ImageSource& source, const ViewSpec& view, const Address& address) {
  FieldBytes fields;
  if (source.spooled) {
    addSpooled(fields, *source.spooled);
  } else {
    addFile(fields, source);
  }
  fields.append(viewBytes(view, address));
  return hash128(fields.bytes().data(), fields.bytes().size());
}

}  // namespace resnet_torch::data
