#include "train/dropout.h"

#include "core/rng.h"
#include "model/device_kernels.h"

namespace resnet_torch::train {

std::vector<at::Tensor> dropoutMasks(const model::Network& model, std::uint64_t seed, const BatchAddress& address) {
  const auto& head = model.headShape();
  std::vector<at::Tensor> masks;
  if (head.dropout == 0) return masks;
  const auto rows = static_cast<std::int64_t>(address.samples.size());
  for (std::size_t layer = 0; layer < head.hidden.size(); ++layer) {
    const auto width = head.hidden[layer];
    auto mask = at::empty({rows, width}, at::kFloat);
    auto* to = mask.mutable_data_ptr<float>();
    const auto scale = static_cast<float>(1 / (1 - head.dropout));
    for (std::int64_t row = 0; row < rows; ++row) {
      AddressedRandom random(seed, address.epoch, static_cast<std::uint64_t>(address.samples[row]), Purpose::kDropout,
                             static_cast<std::uint32_t>(layer));
      for (std::int64_t i = 0; i < width; ++i) *to++ = random.uniform() < head.dropout ? 0.0F : scale;
    }
    masks.push_back(model::uploaded(mask.to(model.dtype()), model.device()));
  }
  return masks;
}

}  // namespace resnet_torch::train
