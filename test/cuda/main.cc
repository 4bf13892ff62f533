#include <emulator.h>

#include <cstdio>
#include <map>

#include "support/check.h"

/// kernels <group> <seed>: prints how many cases and launches there were, or what was wrong.
int main(int count, char** words) {
  const std::map<std::string, int (*)(std::mt19937&)> groups = {{"images", testImages},
                                                                {"norm", testNorm},
                                                                {"pool", testPool},
                                                                {"loss", testLoss},
                                                                {"optimizer", testOptimizer}};
  if (count != 3 || !groups.contains(words[1])) return 2;
  const auto seed = static_cast<unsigned>(std::stoul(words[2]));
  emulator::random().seed(seed);
  std::mt19937 random(seed);
  try {
    const int cases = groups.at(words[1])(random);
    std::printf("{\"cases\":%d,\"launches\":%zu}\n", cases, emulator::launches());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
