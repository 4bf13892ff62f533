#pragma once

#include "model/aten.h"

#include <span>
#include <vector>

#include "data/feature_tier.h"
#include "train/device_feed.h"

namespace resnet_torch::train {

/// Features in a device's memory, so that a batch whose images were all seen before is gathered there: nothing is
/// copied from the host. It grows by pieces that double, or take what there is, and leaves a quarter of the device's
/// memory to the work on it: once there is no more, it takes nothing, and keeps what it has. Used on the executor's
/// thread, but for find().
class DeviceFeatures final : public data::FeatureTier {
 public:
  /// Bytes of the first piece, where nothing else is said.
  static constexpr std::int64_t kFirstPiece = INT64_C(64) << 20;

  /// Of entries of `values` values each.
  DeviceFeatures(at::Device device, DeviceMemory (*memory)(at::Device), std::int64_t values, at::ScalarType dtype,
                 std::int64_t firstPiece = kFirstPiece);

  at::Device device() const { return device_; }
  at::ScalarType dtype() const { return dtype_; }
  std::int64_t values() const { return values_; }

  /// Keeps rows of [n, values] on the device, one a key; those that are there already, and those that there is no
  /// room for, are passed over. Answers whether each is there now.
  std::vector<bool> keep(std::span<const data::FeatureKey> keys, const at::Tensor& rows);
  /// [n, values] of rows that find() answered.
  at::Tensor gather(std::span<const std::int32_t> rows) const;

 private:
  struct Piece {
    at::Tensor memory;       ///< [capacity, values]
    std::int64_t first = 0;  ///< row of its first entry
  };

  /// Entries that the last piece has place for.
  std::int64_t room() const;
  bool grow();
  const Piece& pieceOf(std::int32_t row) const;

  const at::Device device_;
  DeviceMemory (*const memory_)(at::Device);
  const std::int64_t values_;
  const at::ScalarType dtype_;
  std::vector<Piece> pieces_;
  std::int64_t nextPiece_;  ///< bytes
  std::int64_t used_ = 0;   ///< rows
  bool full_ = false;
};

}  // namespace resnet_torch::train
