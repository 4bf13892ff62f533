#include "cuda/images.h"

#include "cuda/packet.cuh"

namespace resnet_torch::cuda {

namespace {

constexpr int kColours = 3, kBytes = 256;
/// Pixels that a thread takes at a time: 24 bytes in, whole packets out.
constexpr int kRun = 8;

/// What each byte of each colour becomes. Divisions are slow; a block does them once.
template <class Table>
__device__ __forceinline__ void fillTable(Table& table) {
  const float mean[kColours] = {0.485F, 0.456F, 0.406F}, deviation[kColours] = {0.229F, 0.224F, 0.225F};
  for (int byte = static_cast<int>(threadIdx.x); byte < kBytes; byte += kThreads) {
#pragma unroll
    for (int colour = 0; colour < kColours; ++colour)
      table[colour * kBytes + byte] = (static_cast<float>(byte) / 255.0F - mean[colour]) / deviation[colour];
  }
  __syncthreads();
}

/// `kPixels` neighbours at a time.
template <class T, int kChannels, int kPixels>
__global__ void __launch_bounds__(kThreads) normalise(const std::uint8_t* from, std::int64_t runs, T* values) {
  RESNET_TORCH_SHARED(float, table, kColours* kBytes);
  fillTable(table);
  constexpr int kIn = kColours * kPixels, kOut = kChannels * kPixels;
  // Reads of 8 bytes, which 24 consist of, or of one.
  constexpr int kRead = kPixels == 1 ? 1 : 8;
  // As much as is 16 bytes, or one value.
  constexpr int kWrite = kPixels == 1 ? 1 : static_cast<int>(16 / sizeof(T));
  for (auto run = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; run < runs;
       run += static_cast<std::int64_t>(gridDim.x) * kThreads) {
    std::uint8_t bytes[kIn];
#pragma unroll
    for (int i = 0; i < kIn; i += kRead) {
      const auto packet = loadPacket<kRead>(from + run * kIn + i);
#pragma unroll
      for (int j = 0; j < kRead; ++j) bytes[i + j] = packet.values[j];
    }
    float out[kOut];
#pragma unroll
    for (int pixel = 0; pixel < kPixels; ++pixel) {
#pragma unroll
      for (int channel = 0; channel < kChannels; ++channel)
        out[pixel * kChannels + channel] =
            channel < kColours ? static_cast<float>(table[channel * kBytes + bytes[pixel * kColours + channel]])
                               : 0.0F;
    }
#pragma unroll
    for (int i = 0; i < kOut; i += kWrite) {
      float part[kWrite];
#pragma unroll
      for (int j = 0; j < kWrite; ++j) part[j] = out[i + j];
      store(values + run * kOut + i, part);
    }
  }
}

template <class T, int kChannels>
void launchNormalise(const std::uint8_t* bytes, std::int64_t pixels, T* values, const Context& context) {
  const bool packed = pixels % kRun == 0 && aligned(8, bytes) && aligned(16, values);
  const auto runs = pixels / (packed ? kRun : 1);
  const auto kernel = packed ? normalise<T, kChannels, kRun> : normalise<T, kChannels, 1>;
  launch(kernel, dim3(blocksFor(runs, kThreads, 8 * context.multiprocessors)), dim3(kThreads), context.stream, bytes,
         runs, values);
}

}  // namespace

template <class T>
void normaliseImages(const std::uint8_t* bytes, std::int64_t pixels, int channels, T* values,
                     const Context& context) {
  require(channels == 3 || channels == 4, "Images are given 3 or 4 channels");
  if (pixels == 0) return;
  const auto run = channels == 3 ? launchNormalise<T, 3> : launchNormalise<T, 4>;
  run(bytes, pixels, values, context);
}

template void normaliseImages(const std::uint8_t*, std::int64_t, int, float*, const Context&);
template void normaliseImages(const std::uint8_t*, std::int64_t, int, __half*, const Context&);
template void normaliseImages(const std::uint8_t*, std::int64_t, int, __nv_bfloat16*, const Context&);

}  // namespace resnet_torch::cuda
