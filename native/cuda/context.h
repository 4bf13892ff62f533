#pragma once

#include <cstdint>

struct CUstream_st;

namespace resnet_torch::cuda {

/// Where kernels are launched: a stream, and how many multiprocessors its device has, from which grids are sized.
struct Context {
  CUstream_st* stream = nullptr;
  int multiprocessors = 1;
};

/// Values [rows, channels]: a channels-last tensor [n, c, h, w] is [n·h·w, c]. At most 2³¹ − 1 rows.
struct Sizes {
  std::int64_t rows = 0;
  int channels = 0;
};

}  // namespace resnet_torch::cuda
