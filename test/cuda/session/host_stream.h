#pragma once

#include <cstdint>
#include <string>
#include <vector>

// What the stand-in for CUDA's streams has seen.

/// The first thing that would have gone wrong on a device, such as memory that is written over while a copy from it
/// may be under way; empty where nothing would.
std::string firstFault();
/// Has the device fail to say when what is copied next has come.
void failNextMark();
/// What the device answers when it is asked how many bytes are free, once each, and then none.
void answerFreeMemory(std::vector<std::int64_t> bytes);
/// Batches' memory that is taken now, and the most that was at a time since the last call.
struct Taken {
  int now = 0, most = 0;
};
Taken takenMemory();
