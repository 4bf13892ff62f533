#pragma once

#include <cstdint>
#include <string>

#include "core/hash.h"
#include "data/augment.h"

namespace resnet_torch::data {

/// Names the features of one view of one file: a hash of the file's absolute path, size and time of change, and of
/// the view.
using FeatureKey = Hash128;

struct FeatureKeyHash {
  std::size_t operator()(const FeatureKey& key) const noexcept { return key.low; }
};

/// The key of what `decodeView(path, crop, address)` gives. A centred crop has one view, or two where it is flipped
/// now and then, whatever the epoch; a random crop has one an address. Asks the system about the file: a file that
/// was changed has another key, one that is missing has one that nothing else has.
FeatureKey featureKey(const std::string& path, const CropOptions& crop, const Address& address);

}  // namespace resnet_torch::data
