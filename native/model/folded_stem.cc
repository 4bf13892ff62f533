#include "model/folded_stem.h"

#include <ATen/Parallel.h>
#include <ATen/record_function.h>

#include <algorithm>

#include "core/cpu.h"
#include "model/finite.h"
#include "model/fused_ops.h"
#include "model/vector/stem.h"

namespace resnet_torch::model {

namespace {

#ifdef RESNET_TORCH_X86_KERNELS

/// With AMX, which our kernel does not know, the convolution is left to oneDNN.
bool byOwnKernel(const at::Tensor& weight, at::ScalarType dtype) {
  const bool known = weight.size(0) == kStemOutputs && weight.size(1) == kStemInputs;
  const bool fits = known && dtype == at::kBFloat16 && weight.device().is_cpu() && weight.scalar_type() == at::kFloat;
  return fits && vectorSet() == VectorSet::kAvx512Bf16 && !hasAmxBf16();
}

/// Rows of the output that a thread takes at a time: few images are cut into bands.
std::int64_t bandRows(const at::Tensor& images, const StemShape& shape) {
  constexpr std::int64_t kFewImages = 4, kBands = 4;
  return images.size(0) < kFewImages ? (shape.outHeight() + kBands - 1) / kBands : shape.outHeight();
}

at::Tensor runOwnKernel(const at::Tensor& images, const at::Tensor& weight, const at::Tensor& bias) {
  RECORD_FUNCTION("resnet_torch::stem", std::vector<c10::IValue>());
  const StemShape shape{images.size(2), images.size(3)};
  const auto count = images.size(0), band = bandRows(images, shape);
  const auto bands = (shape.outHeight() + band - 1) / band;
  auto out = at::empty({count, kStemOutputs, shape.outHeight(), shape.outWidth()}, images.options(),
                       at::MemoryFormat::ChannelsLast);
  const auto* from = static_cast<const std::uint16_t*>(images.const_data_ptr());
  const auto* packed = static_cast<const std::uint16_t*>(weight.const_data_ptr());
  auto* to = static_cast<std::uint16_t*>(out.mutable_data_ptr());
  const auto inside = shape.height * shape.width * kStemInputs;
  const auto outside = shape.outHeight() * shape.outWidth() * kStemOutputs;
  at::parallel_for(0, count * bands, 1, [&](std::int64_t begin, std::int64_t end) {
    const auto workspace = at::empty({static_cast<std::int64_t>(stemWorkspace(shape, band))}, at::kByte);
    for (auto task = begin; task < end; ++task) {
      const auto image = task / bands, first = task % bands * band;
      runStem(shape, from + image * inside, packed, bias.const_data_ptr<float>(), first,
              std::min(first + band, shape.outHeight()), to + image * outside, workspace.mutable_data_ptr());
    }
  });
  return out;
}

#endif

}  // namespace

FoldedStem::FoldedStem(const NormedConvolution& layer, at::ScalarType dtype) {
  const auto& [convolution, norm] = layer;
#ifdef RESNET_TORCH_X86_KERNELS
  if (byOwnKernel(convolution.weight, dtype)) {
    FoldedConvolution folded(convolution, norm, dtype, /*keepWeight=*/true);
    const auto weight = folded.weight(kStemInputs).contiguous();
    packed_ = at::empty({kPackedStemValues}, at::kBFloat16);
    packStem(static_cast<const std::uint16_t*>(weight.const_data_ptr()),
             static_cast<std::uint16_t*>(packed_.mutable_data_ptr()));
    bias_ = folded.bias().to(at::kFloat);
    return;
  }
#endif
  convolution_.emplace(convolution, norm, dtype, /*keepWeight=*/false);
}

bool FoldedStem::finite() const {
  return packed_.defined() ? allFinite(packed_) && allFinite(bias_) : convolution_->finite();
}

at::Tensor FoldedStem::run(const at::Tensor& images) {
#ifdef RESNET_TORCH_X86_KERNELS
  if (packed_.defined()) return runOwnKernel(images, packed_, bias_);
#endif
  if (leavesBiases(images.device(), images.scalar_type()))
    return normReluPool(convolution_->runPlain(images), convolution_->shift(), nullptr);
  const auto convolved = convolution_->run(images, /*relu=*/false);
  return normReluPool(convolved, identityState(convolved), nullptr);
}

}  // namespace resnet_torch::model
