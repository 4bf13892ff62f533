#include "train/losses/loss.h"

#include <algorithm>
#include <array>

#include "core/errors.h"

namespace resnet_torch::train {

namespace {

constexpr std::array kLosses = {
    LossRow{"cross-entropy", makeCrossEntropy},
    LossRow{"focal", makeFocalLoss},
};

}  // namespace

const LossRow& lossRow(std::string_view name) {
  const auto* found = std::find_if(kLosses.begin(), kLosses.end(), [&](const auto& row) { return row.name == name; });
  if (found != kLosses.end()) return *found;
  std::string known;
  for (const auto& row : kLosses) known += (known.empty() ? "'" : ", '") + std::string(row.name) + "'";
  throw Error("ERR_INVALID_ARGUMENT", "loss.name must be one of " + known + ", not '" + std::string(name) + "'");
}

std::optional<at::Tensor> classWeightsLike(const at::Tensor& logits, const LossSettings& settings) {
  if (settings.classWeights.empty()) return std::nullopt;
  return at::tensor(settings.classWeights, at::kDouble).to(logits.options());
}

}  // namespace resnet_torch::train
