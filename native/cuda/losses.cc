#include "cuda/losses.h"

#include <algorithm>
#include <array>

#include "cuda/stream.h"
#include "cuda/tensors.h"

namespace resnet_torch::cuda {

namespace {

/// A loss over checked tensors, with the memory that it works in.
template <class T>
struct LossBuffers {
  const T* logits;
  std::int64_t rows;
  int classes;
  Targets targets;
  T* gradient;
  void* workspace;
  Context context;
};

using train::LossSettings;

template <class T>
void launchCrossEntropy(const LossBuffers<T>& on, const LossCall& call, const LossSettings&) {
  crossEntropy(on.logits, on.rows, on.classes, on.targets, call.gradientScale, on.gradient, call.results, call.slot,
               on.workspace, on.context);
}

template <class T>
void launchFocalLoss(const LossBuffers<T>& on, const LossCall& call, const LossSettings& settings) {
  focalLoss(on.logits, on.rows, on.classes, on.targets, static_cast<float>(settings.gamma), call.gradientScale,
            on.gradient, call.results, call.slot, on.workspace, on.context);
}

/// A row a loss: train/losses/loss.cc has the same names.
template <class T>
struct Row {
  std::string_view name;
  void (*launch)(const LossBuffers<T>& on, const LossCall& call, const LossSettings& settings);
};
template <class T>
constexpr std::array kRows = {
    Row<T>{"cross-entropy", launchCrossEntropy<T>},
    Row<T>{"focal", launchFocalLoss<T>},
};

void requireFitting(const LossCall& call, at::Device device) {
  const auto& [logits, indices, scale, results, slot] = call;
  TORCH_CHECK(logits.dim() == 2 && logits.is_contiguous() && logits.device() == device);
  TORCH_CHECK(indices.scalar_type() == at::kLong && indices.is_contiguous() && indices.device() == device &&
              indices.numel() == logits.size(0));
}

}  // namespace

LossLauncher lossLauncher(const LossSettings& settings, at::Device device) {
  const auto known = [&](const auto& row) { return row.name == settings.name; };
  const auto row =
      static_cast<std::size_t>(std::find_if(kRows<float>.begin(), kRows<float>.end(), known) - kRows<float>.begin());
  TORCH_CHECK(row < kRows<float>.size(), "a loss without kernels: ", settings.name);
  const auto weights =
      settings.classWeights.empty()
          ? at::Tensor()
          : at::tensor(settings.classWeights, at::kDouble).to(at::TensorOptions().device(device).dtype(at::kFloat));
  return [=](const LossCall& call) {
    requireFitting(call, device);
    const auto& logits = call.logits;
    auto gradient = at::empty_like(logits);
    const auto workspace = at::empty({static_cast<std::int64_t>(lossWorkspace(logits.size(0)))},
                                     logits.options().dtype(at::kByte), at::MemoryFormat::Contiguous);
    Targets targets;
    targets.labels = from<std::int64_t>(call.indices);
    targets.smoothing = static_cast<float>(settings.labelSmoothing);
    targets.classWeights = from<float>(weights);
    withType(logits, [&]<class T>(std::type_identity<T>) {
      kRows<T>[row].launch({from<T>(logits), logits.size(0), static_cast<int>(logits.size(1)), targets,
                            into<T>(gradient), workspace.mutable_data_ptr(), contextOf(device)},
                           call, settings);
    });
    return gradient;
  };
}

}  // namespace resnet_torch::cuda
