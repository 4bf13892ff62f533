#include "train/device_features.h"

#include <algorithm>
#include <limits>

namespace resnet_torch::train {

namespace {

/// Of a device's memory, what is left to the work on it: one part of so many.
constexpr std::int64_t kLeftPart = 4;

at::Tensor indices(const std::vector<std::int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

}  // namespace

DeviceFeatures::DeviceFeatures(at::Device device, DeviceMemory (*memory)(at::Device), std::int64_t values,
                               at::ScalarType dtype, std::int64_t firstPiece)
    : device_(device), memory_(memory), values_(values), dtype_(dtype), nextPiece_(firstPiece) {}

std::int64_t DeviceFeatures::room() const {
  return pieces_.empty() ? 0 : pieces_.back().first + pieces_.back().memory.size(0) - used_;
}

bool DeviceFeatures::grow() {
  if (full_) return false;
  const auto entry = values_ * static_cast<std::int64_t>(c10::elementSize(dtype_));
  const auto now = memory_(device_);
  const auto capacity =
      std::min({std::max<std::int64_t>(nextPiece_ / entry, 1), (now.free - now.total / kLeftPart) / entry,
                std::int64_t{std::numeric_limits<std::int32_t>::max()} - used_});
  full_ = capacity < 1;
  if (full_) return false;
  try {
    pieces_.push_back({at::empty({capacity, values_}, at::TensorOptions().device(device_).dtype(dtype_)), used_});
  } catch (const c10::OutOfMemoryError&) {
    full_ = true;  // it was said to be free: others were faster
    return false;
  }
  nextPiece_ *= 2;
  return true;
}

std::vector<bool> DeviceFeatures::keep(std::span<const data::FeatureKey> keys, const at::Tensor& rows) {
  std::vector<bool> there(keys.size());
  std::vector<std::int64_t> taken;  // into the last piece
  const auto write = [&] {
    if (taken.empty()) return;
    const auto count = static_cast<std::int64_t>(taken.size());
    const auto place = pieces_.back().memory.narrow(0, used_ - pieces_.back().first, count);
    place.copy_(count == rows.size(0) ? rows : rows.index_select(0, indices(taken, device_)));
    for (const auto i : taken) hold(keys[static_cast<std::size_t>(i)], static_cast<std::int32_t>(used_++));
    taken.clear();
  };
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto same = [&](std::int64_t other) { return keys[static_cast<std::size_t>(other)] == keys[i]; };
    if (find(keys[i]) || std::any_of(taken.begin(), taken.end(), same)) {
      there[i] = true;
      continue;
    }
    if (static_cast<std::int64_t>(taken.size()) == room()) {
      write();
      if (!grow()) continue;
    }
    taken.push_back(static_cast<std::int64_t>(i));
    there[i] = true;
  }
  write();
  return there;
}

const DeviceFeatures::Piece& DeviceFeatures::pieceOf(std::int32_t row) const {
  const auto after = std::upper_bound(pieces_.begin(), pieces_.end(), row,
                                      [](std::int32_t at, const Piece& piece) { return at < piece.first; });
  return *std::prev(after);
}

at::Tensor DeviceFeatures::gather(std::span<const std::int32_t> rows) const {
  at::Tensor gathered;
  for (const auto& piece : pieces_) {
    std::vector<std::int64_t> from, to;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (&pieceOf(rows[i]) != &piece) continue;
      from.push_back(rows[i] - piece.first);
      to.push_back(static_cast<std::int64_t>(i));
    }
    if (from.empty()) continue;
    const auto part = piece.memory.index_select(0, indices(from, device_));
    if (from.size() == rows.size()) return part;
    if (!gathered.defined())
      gathered = at::empty({static_cast<std::int64_t>(rows.size()), values_}, piece.memory.options());
    gathered.index_copy_(0, indices(to, device_), part);
  }
  return gathered;
}

}  // namespace resnet_torch::train
