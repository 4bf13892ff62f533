#pragma once

#include <cstdint>
#include <string>

#include "core/hash.h"
#include "data/source.h"
#include "data/view/spec.h"

namespace resnet_torch::data {

/// Names the features of one view of one image: a hash of the file's absolute path, size and time of change, or of an
/// image's bytes where it lies in a spool file, and of the view.
using FeatureKey = Hash128;

struct FeatureKeyHash {
  std::size_t operator()(const FeatureKey& key) const noexcept { return key.low; }
};

/// The key of the view at an address. A centred crop without transforms has one view, or two where it is flipped now
/// and then and four where it is flipped both ways, whatever the epoch; any other has one an address. Asks the system
/// about the file: a file that was changed has another key, one that is missing has one that nothing else has.
FeatureKey featureKey(const ImageSource& source, const ViewSpec& view, const Address& address);

}  // namespace resnet_torch::data
