#include "model/normalise.h"

#include "model/device_kernels.h"

namespace resnet_torch::model {

namespace {

/// (x / 255 − mean) / deviation of bytes [.., 3], step by step as torchvision takes them.
at::Tensor normaliseDirectly(const at::Tensor& images, at::ScalarType dtype) {
  const auto wide = dtype == at::kDouble ? at::kDouble : at::kFloat;
  const auto options = at::TensorOptions().dtype(wide).device(images.device());
  const auto mean = at::tensor({0.485, 0.456, 0.406}, at::kDouble).to(options);
  const auto deviation = at::tensor({0.229, 0.224, 0.225}, at::kDouble).to(options);
  return images.to(wide).div_(255).sub_(mean).div_(deviation).to(dtype);
}

template <class T>
void lookUp(const at::Tensor& bytes, const at::Tensor& table, at::Tensor& values) {
  const auto* from = bytes.const_data_ptr<std::uint8_t>();
  const auto* entries = table.const_data_ptr<T>();
  auto* to = values.mutable_data_ptr<T>();
  constexpr std::int64_t kAtOnce = 1 << 14;
  at::parallel_for(0, bytes.numel() / 3, kAtOnce, [&](std::int64_t first, std::int64_t last) {
    for (auto i = 3 * first; i < 3 * last; i += 3)
      for (int channel = 0; channel < 3; ++channel) to[i + channel] = entries[3 * from[i + channel] + channel];
  });
}

}  // namespace

at::Tensor normalise(const at::Tensor& images, at::ScalarType dtype, std::optional<std::int64_t> channels) {
  if (const auto* device = deviceKernels(images.device()))
    return device->normalise(images, dtype, channels.value_or(device->imageChannels));
  TORCH_CHECK(channels.value_or(3) == 3, "the CPU takes images of 3 channels");
  const auto bytes = images.contiguous();
  const auto table =
      normaliseDirectly(at::arange(256, at::kByte).view({256, 1}).expand({256, 3}), dtype).contiguous();
  auto values = at::empty(bytes.sizes(), table.options());
  if (dtype == at::kBFloat16) {
    lookUp<at::BFloat16>(bytes, table, values);
  } else if (dtype == at::kFloat) {
    lookUp<float>(bytes, table, values);
  } else {
    lookUp<double>(bytes, table, values);
  }
  return values.permute({0, 3, 1, 2});
}

}  // namespace resnet_torch::model
