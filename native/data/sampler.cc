#include "data/sampler.h"

#include <algorithm>
#include <numeric>

#include "core/rng.h"

namespace resnet_torch::data {

namespace {

/// The permutation that sorts the images by a key of each one's address.
std::vector<std::int32_t> shuffled(std::int64_t images, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::pair<std::uint64_t, std::int32_t>> keys(static_cast<std::size_t>(images));
  for (std::int64_t i = 0; i < images; ++i)
    keys[i] = {AddressedRandom(seed, epoch, static_cast<std::uint64_t>(i), Purpose::kShuffle).bits64(),
               static_cast<std::int32_t>(i)};
  std::sort(keys.begin(), keys.end());
  std::vector<std::int32_t> order;
  order.reserve(keys.size());
  for (const auto& [key, index] : keys) order.push_back(index);
  return order;
}

}  // namespace

Sampler::Sampler(const SamplerOptions& options) : batchSize_(options.batchSize) {
  if (options.shuffle) {
    order_ = shuffled(options.images, options.seed, options.epoch);
  } else {
    order_.resize(static_cast<std::size_t>(options.images));
    std::iota(order_.begin(), order_.end(), 0);
  }
  batches_ = (options.images + batchSize_ - 1) / batchSize_;
  const bool lastIsSingle = batchSize_ > 1 && options.images % batchSize_ == 1;
  if (options.mergeLastSingle && lastIsSingle && batches_ > 1) --batches_;
}

std::span<const std::int32_t> Sampler::batch(std::int64_t batch) const {
  const auto first = batch * batchSize_;
  const auto end = batch + 1 == batches_ ? images() : first + batchSize_;
  return std::span(order_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(end - first));
}

}  // namespace resnet_torch::data
