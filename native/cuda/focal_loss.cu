#include "cuda/loss_rows.cuh"

namespace resnet_torch::cuda {

namespace {

/// (1 − p)^γ, of the label's probability p, and what the derivative by log p makes of it.
struct Focal {
  float gamma;

  static constexpr bool kMeanOfImages = true;
  __device__ __forceinline__ FocusFactors operator()(float logProbability) const {
    const float rest = -expm1f(logProbability);
    // Not powf, whose registers are more than there are.
    const float factor = gamma == 0 ? 1 : expf(gamma * logf(rest));
    const float ratio = rest > 0 ? logProbability / rest : -1;
    return {factor, factor * (1 - gamma * expf(logProbability) * ratio)};
  }
};

}  // namespace

template <class T>
void focalLoss(const T* logits, std::int64_t rows, int classes, const Targets& targets, float gamma,
               const float* gradientScale, T* gradient, BatchResult* results, const int* slot, void* workspace,
               const Context& context) {
  launchLoss(logits, rows, classes, targets, Focal{gamma}, gradientScale, gradient, results, slot, workspace,
             context);
}

#define RESNET_TORCH_INSTANTIATE(T)                                                                           \
  template void focalLoss(const T*, std::int64_t, int, const Targets&, float, const float*, T*, BatchResult*, \
                          const int*, void*, const Context&);
RESNET_TORCH_INSTANTIATE(float)
RESNET_TORCH_INSTANTIATE(__half)
RESNET_TORCH_INSTANTIATE(__nv_bfloat16)

}  // namespace resnet_torch::cuda
