#include "data/draft.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/errors.h"
#include "data/image.h"

namespace resnet_torch::data {

namespace {

Error decodeError(const std::string& path, const std::string& message) {
  return Error("ERR_IMAGE_DECODE",
               "Cannot read the image " + path + ": " + message +
                   ". Replace or remove the file, or leave out what is broken with --skip-corrupt "
                   "(skipCorrupt: true)");
}

/// Moves row `from` of a buffer to row `to`, which comes no later.
void moveRow(Buffer<std::uint8_t>& rows, std::size_t bytes, std::size_t from, std::size_t to) {
  if (to != from) std::memcpy(rows.data() + to * bytes, rows.data() + from * bytes, bytes);
}

bool findFeatures(const LoaderOptions& options, Draft& draft, std::size_t slot, const Address& address) {
  draft.keys[slot] =
      featureKey(options.files->source(static_cast<std::size_t>(draft.indices[slot])), options.view, address);
  if (draft.tier) {
    const auto row = options.features->findIn(*draft.tier, draft.keys[slot]);
    if (row) {
      draft.rows[slot] = *row;
      draft.found[slot] = true;
      return true;
    }
  }
  auto* const row = draft.features.data() + slot * options.features->entryBytes();
  draft.found[slot] = options.features->read(draft.keys[slot], row);
  return draft.found[slot];
}

}  // namespace

Draft::Draft(const LoaderOptions& options, std::span<const std::int32_t> given)
    : indices(given),
      images(Uninitialised<std::uint8_t>(options.memory)),
      features(Uninitialised<std::uint8_t>(options.memory)) {
  const auto size = static_cast<std::size_t>(options.view.crop.size);
  images.resize(indices.size() * size * size * 3);
  messages.resize(indices.size());
  if (options.features) {
    features.resize(indices.size() * options.features->entryBytes());
    keys.resize(indices.size());
    found.resize(indices.size());
    tier = options.features->tier();
    if (tier) rows.resize(indices.size(), -1);
  }
}

std::exception_ptr decodeSlot(const LoaderOptions& options, Draft& draft, std::size_t slot) {
  const auto index = draft.indices[slot];
  const auto bytes = draft.images.size() / draft.indices.size();
  const auto views = static_cast<std::uint64_t>(options.views);
  const Address address{options.seed, views > 0 ? options.epoch % views : options.epoch,
                        static_cast<std::uint64_t>(index)};
  try {
    if (options.features && findFeatures(options, draft, slot, address)) return nullptr;
    auto* const pixels = draft.images.data() + slot * bytes;
    decodeView(options.files->source(static_cast<std::size_t>(index)), options.view.crop, address, pixels,
               options.imageCache.get());
    finishView(options.view, address, pixels);
  } catch (const Error&) {
    return std::current_exception();
  } catch (const std::runtime_error& error) {
    draft.messages[slot] = error.what();
    if (draft.messages[slot].empty()) draft.messages[slot] = "it cannot be decoded";
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

Batch assemble(const LoaderOptions& options, Draft& draft) {
  Batch batch;
  batch.size = options.view.crop.size;
  batch.epoch = options.epoch;
  batch.files = options.files;
  batch.cache = options.features;
  batch.tier = draft.tier;
  const auto imageBytes = draft.images.size() / draft.indices.size();
  const auto entryBytes = batch.cache ? batch.cache->entryBytes() : 0;
  std::size_t images = 0, features = 0;
  for (std::size_t slot = 0; slot < draft.indices.size(); ++slot) {
    const auto index = draft.indices[slot];
    if (!draft.messages[slot].empty()) {
      batch.failures.push_back({index, options.files->paths[index], draft.messages[slot]});
      continue;
    }
    const auto position = static_cast<std::size_t>(batch.count++);
    batch.targets.indices.push_back(options.files->labels[index]);
    batch.indices.push_back(index);
    if (batch.cache) batch.keys.push_back(draft.keys[slot]);
    if (batch.tier) batch.rows.push_back(draft.rows[slot]);
    if (batch.cache && draft.found[slot]) {
      if (!batch.tier || draft.rows[slot] < 0)
        moveRow(draft.features, entryBytes, slot, batch.tier ? features++ : position);
      continue;
    }
    moveRow(draft.images, imageBytes, slot, images++);
    if (batch.cache) batch.missing.push_back(static_cast<std::int32_t>(position));
  }
  batch.images = std::move(draft.images);
  batch.images.resize(images * imageBytes);
  batch.features = std::move(draft.features);
  batch.features.resize((batch.tier ? features : static_cast<std::size_t>(batch.count)) * entryBytes);
  return batch;
}

std::exception_ptr firstFailure(const LoaderOptions& options, const Draft& draft) {
  const auto broken = std::find_if(draft.messages.begin(), draft.messages.end(),
                                   [](const auto& message) { return !message.empty(); });
  if (broken == draft.messages.end()) return nullptr;
  const auto index = draft.indices[static_cast<std::size_t>(broken - draft.messages.begin())];
  return std::make_exception_ptr(decodeError(options.files->paths[index], *broken));
}

}  // namespace resnet_torch::data
