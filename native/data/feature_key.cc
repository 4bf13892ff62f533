#include "data/feature_key.h"

#include <filesystem>
#include <system_error>

namespace resnet_torch::data {

namespace {

/// The fields of a key, one after the other.
class Fields {
 public:
  template <class Value>
  void add(Value value) {
    static_assert(std::is_arithmetic_v<Value>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void add(const std::string& text) {
    add(static_cast<std::uint64_t>(text.size()));
    bytes_ += text;
  }
  FeatureKey key() const { return hash128(bytes_.data(), bytes_.size()); }

 private:
  std::string bytes_;
};

void addFile(Fields& fields, const ImageSource& source) {
  const auto& path = source.name;
  std::error_code ignored;
  fields.add(path.starts_with('/') ? path : std::filesystem::absolute(path, ignored).string());
  const auto stamp = stampOf(source);
  fields.add(stamp.bytes);
  if (!stamp.known()) return;
  fields.add(stamp.seconds);
  fields.add(stamp.nanoseconds);
}

void addSpooled(Fields& fields, const SpooledImage& image) {
  for (const auto value : {image.digest.high, image.digest.low}) fields.add(value);
  for (const int value : {image.raw.width, image.raw.height, image.raw.channels})
    fields.add(static_cast<std::int32_t>(value));
}

void addView(Fields& fields, const CropOptions& crop, const Address& address) {
  fields.add(static_cast<std::int32_t>(crop.size));
  fields.add(flipOf(crop, address));
  if (crop.kind == CropOptions::Kind::kCenter) {
    fields.add('c');
    fields.add(static_cast<std::int32_t>(crop.resize));
    return;
  }
  fields.add('r');
  for (const double value : {crop.scale[0], crop.scale[1], crop.ratio[0], crop.ratio[1]}) fields.add(value);
  // The index too: the crop is drawn at it, and it moves when files come or go.
  for (const auto value : {address.seed, address.epoch, address.index}) fields.add(value);
}

}  // namespace

FeatureKey featureKey(const ImageSource& source, const CropOptions& crop, const Address& address) {
  Fields fields;
  if (source.spooled) {
    addSpooled(fields, *source.spooled);
  } else {
    addFile(fields, source);
  }
  addView(fields, crop, address);
  return fields.key();
}

}  // namespace resnet_torch::data
