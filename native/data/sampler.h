#pragma once

#include <cstdint>
#include <mutex>
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
  std::int64_t images() const { return options_.images; }
  /// Makes the order, by whoever asks first while the others wait: of a million images it takes a tenth of a second,
  /// so that it is not for the JavaScript thread, nor for one that holds a lock which that may want.
  void prepare() const;
  /// Indices of the images of batch `batch`, 0 ≤ batch < batches(), once the order is made.
  std::span<const std::int32_t> batch(std::int64_t batch) const;

 private:
  SamplerOptions options_;
  std::int64_t batches_;
  mutable std::once_flag made_;
  mutable std::vector<std::int32_t> order_;
};

}  // namespace resnet_torch::data
