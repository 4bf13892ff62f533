#pragma once

#include <cstddef>
#include <cstdint>

// How a walk over values by channel is cut into blocks: arithmetic alone, for the kernels' launchers and for tests.
namespace resnet_torch::cuda {

inline constexpr int kBlockThreads = 256;

/// Blocks beside each other, each of so many lanes, which take channels, and one below the other, which take rows: of
/// `down` rows at a time.
struct Grid {
  std::int64_t across = 1, parts = 1;
  int lanes = 1, down = kBlockThreads;
};

/// `width` channels a lane, `mostLanes` lanes a block, `rowsEach` rows a thread at least, and `most` blocks in all,
/// or one for the channels that a block takes: what the device runs at the same time, so that no second wave begins.
constexpr Grid gridOf(std::int64_t rows, std::int64_t channels, int width, int mostLanes, int rowsEach, int most) {
  Grid grid;
  grid.lanes = 32;
  // In whole packets fewer lanes may do, so that more rows go side by side; single channels share a warp's ballot.
  if (width > 1)
    while (grid.lanes > 1 && (grid.lanes > mostLanes || (grid.lanes / 2) * width >= channels)) grid.lanes /= 2;
  grid.down = kBlockThreads / grid.lanes;
  const std::int64_t wide = std::int64_t{grid.lanes} * width, deep = std::int64_t{grid.down} * rowsEach;
  grid.across = (channels + wide - 1) / wide;
  const auto wanted = (rows + deep - 1) / deep;
  // Rounded down: one block too many would be a wave of its own.
  grid.parts = most / grid.across;
  if (grid.parts > wanted) grid.parts = wanted;
  if (grid.parts > 65535) grid.parts = 65535;
  if (grid.parts < 1) grid.parts = 1;
  return grid;
}

/// Blocks of a kernel that a multiprocessor holds at once, of values of so many bytes: its launch bounds see to it,
/// and its grid has as many. So all of them run from the beginning to the end, and no last wave leaves most of the
/// device idle.
constexpr int residentBlocks(std::size_t valueBytes) {
  return valueBytes == 4 ? 2 : 3;
}
inline constexpr int kMostResidentBlocks = 3;

/// For walks that write what they read, of a kernel that so many blocks of fit into a multiprocessor.
constexpr Grid sweepGrid(std::int64_t rows, std::int64_t channels, int width, int resident, int multiprocessors) {
  return gridOf(rows, channels, width, 32, 2, resident * multiprocessors);
}

/// For walks that sum up. A block takes 64 channels: what its last one adds up in the end stays small.
constexpr Grid sumsGrid(std::int64_t rows, std::int64_t channels, int width, int resident, int multiprocessors) {
  return gridOf(rows, channels, width, 8, 4, resident * multiprocessors);
}

}  // namespace resnet_torch::cuda
