#include "model/prefix_hash.h"

#include <cinttypes>
#include <cstdio>
#include <string_view>

#include "core/hash.h"
#include "model/network.h"

namespace resnet_torch::model {

namespace {

/// Hashes of before there were others, by which feature caches were stored, name no architecture.
constexpr std::string_view kUnnamed = "resnet50";

}  // namespace

std::string prefixHash(const Network& model, int units) {
  const auto& architecture = model.architecture();
  std::string tensors;
  if (architecture.name() != kUnnamed) tensors += std::string(architecture.name()) + '\0';
  for (const auto& entry : model.tensors()) {
    if (architecture.unitOf(entry.name) >= units) continue;
    const auto values = entry.tensor.detach().cpu().contiguous();
    const auto hash = hash128(values.const_data_ptr(), values.nbytes());
    tensors += entry.name + '\0' + c10::toString(values.scalar_type());
    for (const auto side : values.sizes()) tensors += ' ' + std::to_string(side);
    tensors.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
  }
  const auto hash = hash128(tensors.data(), tensors.size());
  char digits[33];
  std::snprintf(digits, sizeof(digits), "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
  return digits;
}

}  // namespace resnet_torch::model
