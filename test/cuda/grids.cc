#include "cuda/grid.h"

#include "cuda/norm.h"
#include "support/check.h"

namespace cuda = resnet_torch::cuda;

namespace {

/// BatchNorms of a ResNet-50: positions of an image of 224 pixels, and channels.
constexpr std::int64_t kLayers[][2] = {{112 * 112, 64}, {56 * 56, 64},  {56 * 56, 256},
                                       {28 * 28, 128},  {28 * 28, 512}, {14 * 14, 256},
                                       {14 * 14, 1024}, {7 * 7, 512},   {7 * 7, 2048}};

std::string named(const char* what, std::int64_t rows, std::int64_t channels, int multiprocessors) {
  return std::string(what) + " of " + std::to_string(rows) + " × " + std::to_string(channels) + " on " +
         std::to_string(multiprocessors) + " multiprocessors";
}

/// One wave: as many blocks as run at the same time, and hardly fewer.
void expectOneWave(const std::string& what, const cuda::Grid& grid, std::int64_t resident, std::int64_t needed) {
  const auto blocks = grid.across * grid.parts;
  expectTrue(what + ": " + std::to_string(blocks) + " blocks of " + std::to_string(resident), blocks <= resident);
  expectTrue(what + ": only " + std::to_string(blocks) + " blocks of " + std::to_string(resident),
             100 * blocks >= 85 * std::min(resident, needed));
  expectTrue(what + " columns", grid.across <= cuda::kMostColumns);
}

}  // namespace

/// A100 and H100 have 108 and 132 multiprocessors of 2,048 threads and 65,536 registers.
int testGrids(std::mt19937&) {
  int count = 0;
  for (const int multiprocessors : {108, 132})
    for (const int valueBytes : {2, 4})
      for (const std::int64_t images : {1, 64, 256})
        for (const auto& [positions, channels] : kLayers) {
          const auto rows = images * positions;
          const int blocks = cuda::residentBlocks(static_cast<std::size_t>(valueBytes));
          expectTrue("blocks that fit", blocks * cuda::kBlockThreads <= 2048 && blocks <= cuda::kMostResidentBlocks);
          const std::int64_t resident = std::int64_t{blocks} * multiprocessors;
          const auto sweep = cuda::sweepGrid(rows, channels, 8, blocks, multiprocessors);
          const auto sums = cuda::sumsGrid(rows, channels, 8, blocks, multiprocessors);
          const auto blocksFor = [&](const cuda::Grid& grid, std::int64_t rowsEach) {
            return grid.across * ((rows + grid.down * rowsEach - 1) / (grid.down * rowsEach));
          };
          expectOneWave(named("a sweep", rows, channels, multiprocessors), sweep, resident, blocksFor(sweep, 2));
          expectOneWave(named("sums", rows, channels, multiprocessors), sums, resident, blocksFor(sums, 4));
          expectTrue("a block of sums takes 64 channels", sums.lanes * 8 == 64);
          count += 2;
        }
  return count;
}
