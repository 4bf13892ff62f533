#pragma once

#include <ATen/ATen.h>
#include <ATen/DeviceGuard.h>

#include <type_traits>

#include "core/errors.h"
#include "cuda/context.h"

struct __half;
struct __nv_bfloat16;

// From tensors to what the kernels take: pointers and sizes, checked.
namespace resnet_torch::cuda {

/// Calls body(std::type_identity<T>) with the kernels' type of a tensor's values.
template <class Body>
decltype(auto) withType(const at::Tensor& x, Body body) {
  switch (x.scalar_type()) {
    case at::kFloat:
      return body(std::type_identity<float>{});
    case at::kHalf:
      return body(std::type_identity<__half>{});
    case at::kBFloat16:
      return body(std::type_identity<__nv_bfloat16>{});
    default:
      throw Error("ERR_INVALID_ARGUMENT",
                  std::string("The device's kernels take float32, float16 and bfloat16, not ") +
                      at::toString(x.scalar_type()) + ": compute in float64 on the CPU, with device 'cpu'");
  }
}

/// A channels-last tensor [n, c, h, w] as the kernels see it.
Sizes sizesOf(const at::Tensor& x);
/// Throws unless `y` has the place, type, sizes and layout of `x`; undefined tensors pass.
void requireAlike(const at::Tensor& x, const at::Tensor& y);
/// Throws unless a vector by channel fits `x`.
void requireByChannel(const at::Tensor& x, const at::Tensor& values);
at::Tensor likeOf(const at::Tensor& x);
/// float32 on the device of `x`, from the allocator that reuses memory in the order of its stream.
at::Tensor floats(const at::Tensor& x, at::IntArrayRef sizes);

template <class T>
const T* from(const at::Tensor& x) {
  return x.defined() ? static_cast<const T*>(x.const_data_ptr()) : nullptr;
}
template <class T>
T* into(const at::Tensor& x) {
  return x.defined() ? static_cast<T*>(x.mutable_data_ptr()) : nullptr;
}

}  // namespace resnet_torch::cuda
