#pragma once

#include <exception>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/loader.h"

namespace resnet_torch::data {

/// A batch that is being decoded, by several threads, each at a slot of its own.
struct Draft {
  /// Throws where there is no memory for it.
  Draft(const LoaderOptions& options, std::span<const std::int32_t> indices);

  std::span<const std::int32_t> indices;  ///< of its images in the file list
  Buffer<std::uint8_t> images;
  std::vector<std::string> messages;  ///< what is wrong with each file; empty where nothing is
  std::exception_ptr fault;           ///< not a file's fault, such as a lack of memory; the first of them
  Buffer<std::uint8_t> features;      ///< of those found; these three only with a cache
  std::vector<FeatureKey> keys;
  std::vector<char> found;
  std::shared_ptr<FeatureTier> tier;
  std::vector<std::int32_t> rows;  ///< of the tier; −1 for none
  std::size_t started = 0, finished = 0;

  bool open() const { return started < indices.size(); }
  bool complete() const { return finished == indices.size(); }
};

/// Decodes the image of a slot, or finds its features. Writes what belongs to the slot, and of a file that cannot be
/// read what is wrong with it. Answers what is no fault of the file.
std::exception_ptr decodeSlot(const LoaderOptions& options, Draft& draft, std::size_t slot);

/// The images of a complete draft that could be read, moved together.
Batch assemble(const LoaderOptions& options, Draft& draft);

/// What ends the pass for the first broken file, or null where all could be read.
std::exception_ptr firstFailure(const LoaderOptions& options, const Draft& draft);

}  // namespace resnet_torch::data
