#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/feature_key.h"

namespace resnet_torch::data {

/// What all segments of a store share.
struct SegmentLayout {
  Hash128 store;  ///< the store that they belong to
  std::uint64_t entryBytes = 0;
  /// Bytes from one payload to the next.
  std::uint64_t slotBytes() const { return (entryBytes + 63) / 64 * 64; }
};

/// Where an entry lies, and what its payload hashes to.
struct SegmentRecord {
  FeatureKey key;
  std::uint64_t position = 0, checksum = 0;
};

/// A pair of files that one process appends to and any may read: `<name>.data` holds payloads, the i-th at
/// i × slotBytes; `<name>.index` a header and a record a payload, in the same order. A payload is written before its
/// record, so whatever cuts the work short leaves at most a payload that nobody knows of. Nothing is synced: a
/// payload that did not reach the disk does not match its checksum.
class FeatureSegment {
 public:
  /// A new pair under a name that nobody has. Throws Error(ERR_FILE).
  static std::shared_ptr<FeatureSegment> create(const std::string& directory, const SegmentLayout& layout);

  struct Opened {
    std::shared_ptr<FeatureSegment> segment;  ///< null where nothing in it can be used
    std::vector<SegmentRecord> records;
    std::size_t damaged = 0;
  };
  /// Reads what is whole of `<stem>.index`. Damage is counted, not thrown.
  static Opened open(const std::string& stem, const SegmentLayout& layout);

  ~FeatureSegment();
  FeatureSegment(const FeatureSegment&) = delete;
  FeatureSegment& operator=(const FeatureSegment&) = delete;

  /// Throws Error(ERR_FILE), and is left as it was before. For one thread of the process that created it.
  SegmentRecord append(const FeatureKey& key, const std::uint8_t* payload);
  /// Whether the payload could be read and is as it was written.
  bool read(const SegmentRecord& record, std::uint8_t* to) const;
  /// Blots the record out, as far as that is allowed, so that no later process meets a payload that is damaged.
  void forget(const SegmentRecord& record) const;

 private:
  FeatureSegment(std::string stem, const SegmentLayout& layout) : stem_(std::move(stem)), layout_(layout) {}
  [[noreturn]] void fail(const char* file) const;

  const std::string stem_;
  const SegmentLayout layout_;
  int data_ = -1, index_ = -1;  // index_ only where it was created here
  std::uint64_t count_ = 0;
};

}  // namespace resnet_torch::data
