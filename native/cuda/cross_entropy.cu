#include "cuda/loss_rows.cuh"

namespace resnet_torch::cuda {

namespace {

struct Unfocused {
  static constexpr bool kMeanOfImages = false;
  __device__ __forceinline__ FocusFactors operator()(float) const { return {1, 1}; }
};

}  // namespace

template <class T>
void crossEntropy(const T* logits, std::int64_t rows, int classes, const Targets& targets, const float* gradientScale,
                  T* gradient, BatchResult* results, const int* slot, void* workspace, const Context& context) {
  launchLoss(logits, rows, classes, targets, Unfocused{}, gradientScale, gradient, results, slot, workspace, context);
}

#define RESNET_TORCH_INSTANTIATE(T)                                                                       \
  template void crossEntropy(const T*, std::int64_t, int, const Targets&, const float*, T*, BatchResult*, \
                             const int*, void*, const Context&);
RESNET_TORCH_INSTANTIATE(float)
RESNET_TORCH_INSTANTIATE(__half)
RESNET_TORCH_INSTANTIATE(__nv_bfloat16)

}  // namespace resnet_torch::cuda
