#pragma once

#include <cmath>
#include <vector>

// What an optimizer's rule is made of. A rule is a plain struct in rules/, one file each, and a row of rules.h. It is
// arithmetic alone: the same lines are compiled into the sweeps of the CPU and into the kernels of a device.
#ifdef __CUDACC__
#define RESNET_TORCH_EVERYWHERE __host__ __device__ __forceinline__
#else
#define RESNET_TORCH_EVERYWHERE inline
#endif

namespace resnet_torch::optim {

/// What a rule keeps of a parameter, under PyTorch's or timm's names.
struct StateNames {
  std::vector<const char*> slots;  ///< tensors of the parameter's shape, which begin as zeros; kMostSlots at most
  bool step = true;                ///< `step`: how many were taken, a float32 scalar
  const char* scalar = nullptr;    ///< one number more, a float32 scalar
  float scalarStart = 0;
};

inline constexpr int kMostSlots = 3;

/// What a rule is told of the step of one parameter.
struct TensorStep {
  double rate = 0, weightDecay = 0;
  double steps = 1;         ///< with this one; counted only for rules that have `step`, and on a device
  float* scalar = nullptr;  ///< the rule moves it on; null for rules without one
};

// A rule `Rule`, such as Rmsprop, has
//
//   kName                      as the boundary knows it
//   settings(self, visit)      visit("eps", self.eps) for each, double or bool, by its name at the boundary
//   state()                    StateNames under these settings
//   specialise(use)            use(step), with the arithmetic for these settings: a struct `Step` that has
//
//     kSlots                   slots a parameter, as in state()
//     Update<T>                what is the same for all values of a parameter, in the precision computed in;
//                              update(parameter, gradient, slots) makes the step of one value, and of its slots
//     prepare<T>(tensorStep)   an Update<T>, worked out in double
//
// and, where ATen has a fused kernel for the CPU, byAten(Batch&) (batch.h). Nothing there may allocate or branch on a
// value: an update is called for every weight.

/// a·b + c; on a device it is rounded once.
template <class T>
RESNET_TORCH_EVERYWHERE T multiplyAdd(T a, T b, T c) {
#ifdef __CUDA_ARCH__
  return fma(a, b, c);
#else
  return a * b + c;
#endif
}

template <class T>
RESNET_TORCH_EVERYWHERE T rootOf(T value) {
  return std::sqrt(value);
}

}  // namespace resnet_torch::optim
