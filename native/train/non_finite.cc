#include "train/non_finite.h"

#include "model/finite.h"
#include "model/frozen_units.h"

namespace resnet_torch::train {

namespace {

std::string wayOut(at::ScalarType compute) {
  const bool narrow = compute == at::kHalf || compute == at::kBFloat16;
  return narrow
             ? ". Use the precision fp32 (--precision fp32), or other weights"
             : ". The weights are too large: use those of a checkpoint from before that came about, or train again "
               "with a lower learning rate";
}

}  // namespace

Error notFiniteError(const model::Network& model, const NotFinite& found) {
  const auto unit = model::firstUnitNotFinite(model, found.units, found.input, found.compute);
  return Error("ERR_NON_FINITE", found.what + " are not finite" +
                                     (unit.empty() ? "" : ": the first values that are not come from " + unit) +
                                     wayOut(found.compute));
}

Error frozenNotFinite(const std::string& image, at::ScalarType compute) {
  return Error("ERR_NON_FINITE", "What the frozen units make of " + image + " is not finite" + wayOut(compute));
}

Error notFiniteInTraining(const std::string& what) {
  return Error("ERR_NON_FINITE", what + " is not finite: lower the learning rate, warm up, or use --precision fp32");
}

void requireFiniteImages(const at::Tensor& images) {
  if (model::allFinite(images)) return;
  const auto row = model::rowsNotFinite(images).front();
  const auto broken = at::isfinite(images[row]).logical_not();
  throw Error("ERR_NON_FINITE",
              "images has values that are not finite: " + std::to_string(broken.sum().item<std::int64_t>()) +
                  " in image " + std::to_string(row) + ", of 0 to " + std::to_string(images.size(0) - 1) +
                  ". Give finite ones, normalised as (x / 255 - mean) / deviation");
}

std::string imageName(const data::Batch& batch, std::int64_t row) {
  const auto index = batch.indices.at(static_cast<std::size_t>(row));
  return batch.files ? batch.files->paths.at(static_cast<std::size_t>(index)) : "image " + std::to_string(index);
}

}  // namespace resnet_torch::train
