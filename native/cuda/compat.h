#pragma once

// What differs between the releases of libtorch from 2.11 on that the CUDA variant can be built against. All else
// that native/cuda uses is the same in them.

#include <ATen/Context.h>

#include <string>
#include <type_traits>

namespace resnet_torch::cuda {

/// The version of the cuDNN that was met at run time: 92400 for 9.24. Older releases answer one number for that and
/// for the one that they were compiled with.
template <class Hooks>
long runtimeCudnn(const Hooks& hooks) {
  if constexpr (requires { hooks.versionRuntimeCuDNN(); }) {
    return hooks.versionRuntimeCuDNN();
  } else {
    return hooks.versionCuDNN();
  }
}

/// Lets CUDA's convolutions and matrix products of float32 values use TF32, by `&at::Context::setFloat32Precision`,
/// which takes enumerations, and took names before it did.
template <class Context, class Backend, class Op, class Precision>
void allowTf32(Context& context, void (Context::*set)(Backend, Op, Precision)) {
  if constexpr (std::is_enum_v<Op>) {
    for (const auto operation : {Op::CONV, Op::MATMUL}) (context.*set)(Backend::CUDA, operation, Precision::TF32);
  } else {
    for (const auto* operation : {"conv", "matmul"})
      (context.*set)(std::string("cuda"), std::string(operation), std::string("tf32"));
  }
}

}  // namespace resnet_torch::cuda
