#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cuda/context.h"
#include "cuda/loss.h"
#include "optim/rules.h"

// The optimizer step of all parameters, whatever their groups and rates, without a host scalar that varies and
// without a read by the host, so that a captured graph may replay it. Three launches: gradientNorm (where gradients
// are clipped or scaled, or must be finite), prepareStep, optimizerStep.
namespace resnet_torch::cuda {

enum class Storage : std::int32_t { kFloat32, kFloat16, kBfloat16 };

/// One parameter. All of these are device memory and lie alike.
struct OptimizerTensor {
  float* parameter = nullptr;
  const void* gradient = nullptr;        ///< null passes the parameter over, its state and count too
  float* slots[optim::kMostSlots] = {};  ///< as the rule's StateNames, null beyond them
  void* copy = nullptr;                  ///< receives the new values in the precision computed in; may be null
  std::int64_t size = 0;
  std::int32_t group = 0;
  float weightDecay = 0;
  Storage gradientStorage = Storage::kFloat32, copyStorage = Storage::kFloat32;
};

/// A piece of a parameter that a block takes at a time.
struct Chunk {
  std::int32_t tensor, index;
};
inline constexpr std::int64_t kChunkSize = 16384;
std::vector<Chunk> chunksOf(std::span<const std::int64_t> sizes);

/// The rule's Update of one parameter's step, which prepareStep works out; for optimizerStep alone.
struct alignas(8) StepFactors {
  std::byte bytes[48];
};

inline constexpr int kRateRows = 64;

/// In device memory, one of a session. Row r of the rates serves the step that finds `row` = r, and so does slot r of
/// the results of losses; prepareStep moves on to the next, whether the step is skipped or not. Host code sets `row`
/// to 0 when it uploads new rates, and begins with `scale` = 1 where losses are not scaled.
struct StepState {
  std::int32_t row = 0;
  std::int32_t skip = 0;  ///< whether the last step was skipped
  /// Set by a loss that is not finite, and by such a gradient unless OptimizerSettings::mayOverflow. Every step is
  /// skipped until host code, once it was told, takes it back.
  std::int32_t broken = 0;
  std::int32_t skippedSteps = 0;
  std::int32_t steadySteps = 0;  ///< since the scale last changed
  float scale = 1;               ///< of the loss whose gradients the next step takes
  float norm = 0;                ///< of the last step's gradients, unscaled, before clipping
  float factor = 1;              ///< what the last step's gradients are multiplied by: unscaled and clipped
};

/// The tables of a session, in device memory.
struct OptimizerTable {
  const OptimizerTensor* tensors = nullptr;
  float* steps = nullptr;          ///< [tensors] steps taken, as PyTorch's optimizers count them
  StepFactors* factors = nullptr;  ///< [tensors]
  int tensorCount = 0;
  const Chunk* chunks = nullptr;
  int chunkCount = 0;
  const double* rates = nullptr;  ///< [kRateRows, groups]
  int groups = 0;
  float* scalars = nullptr;  ///< [tensors] the rule's own number of each, where it has one
};

/// torch.nn.utils.clip_grad_norm_'s limit and torch.amp.GradScaler's settings.
struct GradientSettings {
  double maxNorm = 0;  ///< 0 for no clipping
  /// The scale of losses grows after so many steps without an overflow; 0 leaves it as it is.
  std::int32_t growthInterval = 0;
  double growth = 2, backoff = 0.5;
  bool mayOverflow = false;  ///< whether a gradient that is not finite ends no more than its own step
};

struct OptimizerSettings : GradientSettings {
  optim::Settings rule;
};

/// Parts of the norm of all gradients, [chunkCount] floats: Σ (gradient / scale)² of a chunk, or not a number where a
/// gradient is not finite.
void gradientNorm(const OptimizerTable& table, const StepState* state, float* parts, const Context& context);

/// Decides whether the step holds, moves on scale, row and counts of steps, and works out the factors. `parts` are
/// gradientNorm's, or null: then gradients are taken as finite, and not clipped. `results` are those of the losses,
/// or null for gradients that come from none.
void prepareStep(const OptimizerTable& table, const OptimizerSettings& settings, const float* parts,
                 const BatchResult* results, StepState* state, const Context& context);

/// The rule's step of all parameters. A step that is skipped changes nothing.
void optimizerStep(const OptimizerTable& table, const OptimizerSettings& settings, const StepState* state,
                   const Context& context);

}  // namespace resnet_torch::cuda
