#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace resnet_torch::data {

struct SamplerOptions {
  std::int64_t images = 0;
  std::int64_t batchSize = 1;
  bool shuffle = false;
  /// Merge a last batch of one image into the one before. Not where every batch is one image.
  bool mergeLastSingle = false;
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
};

/// The order of one epoch, cut into batches; the last may be smaller (or, merged, one larger).
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);

  std::int64_t batches() const { return batches_; }
  std::int64_t images() const { return static_cast<std::int64_t>(order_.size()); }
  /// Indices of the images of batch `batch`, 0 ≤ batch < batches().
  std::span<const std::int32_t> batch(std::int64_t batch) const;

 private:
  std::vector<std::int32_t> order_;
  std::int64_t batchSize_;
  std::int64_t batches_;
};

}  // namespace resnet_torch::data
