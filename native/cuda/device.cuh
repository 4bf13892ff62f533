#pragma once

// The device's language: nvcc's own, or where g++ compiles the kernels for tests an emulator's, which is found on the
// include path and offers the same names.
#ifdef __CUDACC__

#include <cuda_runtime.h>

#include "cuda/launch.h"

/// An array in the block's shared memory.
#define RESNET_TORCH_SHARED(type, name, count) __shared__ type name[count]

namespace resnet_torch::cuda {

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, cudaStream_t stream, Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  // Its answer is that of this launch, where cudaGetLastError() may tell of a failure that came before.
  launchOrThrow(
      [&]() -> int {
        const auto error = cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
        if (error != cudaSuccess) cudaGetLastError();  // told here, and not by whoever asks next
        return error;
      },
      [](int error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); });
}

}  // namespace resnet_torch::cuda

#else

#include <emulator.h>

#endif

#include <cstdint>

#include "core/errors.h"
#include "cuda/context.h"

namespace resnet_torch::cuda {

inline constexpr int kThreads = 256;
inline constexpr int kWarp = 32;
inline constexpr unsigned kWholeWarp = 0xffffffff;

struct Shape {
  dim3 grid, block;
};

inline void require(bool holds, const char* what) {
  if (!holds) throw Error("ERR_INTERNAL", what);
}

template <class A, class B>
__host__ __device__ constexpr std::int64_t ceilDivide(A a, B b) {
  return (static_cast<std::int64_t>(a) + b - 1) / b;
}

/// Blocks of a grid-stride walk over `items` that a block takes `each` of at a time.
inline unsigned blocksFor(std::int64_t items, int each, int most) {
  const auto wanted = ceilDivide(items, each);
  return static_cast<unsigned>(wanted < most ? wanted : most);
}

}  // namespace resnet_torch::cuda
