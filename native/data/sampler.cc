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

Sampler::Sampler(const SamplerOptions& options)
    : options_(options), batches_((options.images + options.batchSize - 1) / options.batchSize) {
  const bool lastIsSingle = options.batchSize > 1 && options.images % options.batchSize == 1;
  if (options.mergeLastSingle && lastIsSingle && batches_ > 1) --batches_;
}

void Sampler::prepare() const {
  std::call_once(made_, [this] {
    if (options_.shuffle) {
      order_ = shuffled(options_.images, options_.seed, options_.epoch);
    } else {
      order_.resize(static_cast<std::size_t>(options_.images));
      std::iota(order_.begin(), order_.end(), 0);
    }
  });
}

std::span<const std::int32_t> Sampler::batch(std::int64_t batch) const {
  const auto first = batch * options_.batchSize;
  const auto end = batch + 1 == batches_ ? images() : first + options_.batchSize;
  return std::span(order_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(end - first));
}

}  // namespace resnet_torch::data
