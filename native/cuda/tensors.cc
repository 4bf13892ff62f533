#include "cuda/tensors.h"

namespace resnet_torch::cuda {

Sizes sizesOf(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast), "a kernel was given another layout");
  return {x.size(0) * x.size(2) * x.size(3), static_cast<int>(x.size(1))};
}

void requireAlike(const at::Tensor& x, const at::Tensor& y) {
  if (!y.defined()) return;
  TORCH_CHECK(y.device() == x.device() && y.scalar_type() == x.scalar_type() && y.sizes() == x.sizes(),
              "a kernel was given tensors that do not fit each other");
  TORCH_CHECK(y.is_contiguous(at::MemoryFormat::ChannelsLast), "a kernel was given another layout");
}

void requireByChannel(const at::Tensor& x, const at::Tensor& values) {
  if (!values.defined()) return;
  TORCH_CHECK(values.device() == x.device() && values.scalar_type() == at::kFloat && values.is_contiguous() &&
                  values.numel() == x.size(1),
              "a kernel was given factors that do not fit its values");
}

at::Tensor likeOf(const at::Tensor& x) {
  return at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast);
}

at::Tensor floats(const at::Tensor& x, at::IntArrayRef sizes) {
  return at::empty(sizes, x.options().dtype(at::kFloat), at::MemoryFormat::Contiguous);
}

}  // namespace resnet_torch::cuda
