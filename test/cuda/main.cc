#include <platform.h>

#include <cstdio>
#include <map>

#include "support/check.h"

/// kernels <group> <seed> [<file>:<line>]: prints how many cases there were, or what was wrong; in the emulator
/// without a barrier.
int main(int count, char** words) {
  const std::map<std::string, int (*)(std::mt19937&)> groups = {
      {"fold", testFold}, {"grids", testGrids}, {"images", testImages},      {"norm", testNorm},
      {"pool", testPool}, {"loss", testLoss},   {"optimizer", testOptimizer}};
  if (count < 3 || count > 4 || !groups.contains(words[1])) return 2;
  const auto seed = static_cast<unsigned>(std::stoul(words[2]));
  std::mt19937 random(seed);
  try {
    platform::begin(seed);
    if (count == 4) platform::leaveOutBarrier(words[3]);
    const int cases = groups.at(words[1])(random);
    platform::end();
    std::printf("{\"cases\":%d}\n", cases);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
