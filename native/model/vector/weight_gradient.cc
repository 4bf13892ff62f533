// Compiled for processors with avx512_bf16 alone.
#include "model/vector/weight_gradient.h"

#include <algorithm>

#include "model/vector/bf16_pairs.h"

namespace resnet_torch::model {

namespace {

/// Positions that are packed at a time: with 64 channels 32 KiB, which stay in the first cache while all output
/// channels pass by them.
constexpr std::int64_t kPositions = 256;
constexpr std::int64_t kPairs = kPositions / 2;
constexpr int kLastTile = kGradientBlock % kTile;
static_assert(kGradientBlock == kBlock);
constexpr std::int64_t kMostChannels = 2048;

alignas(64) constexpr Bf16 kZeros[kMostChannels] = {};

struct Workspace {
  alignas(64) Bf16 gradient[kMostGradientBlocks][kPairs * kPair];
  alignas(64) Bf16 x[kPairs * kPair];
  const Bf16* positions[kPositions];  ///< where x lies that a tap of the kernel meets at each position
};

/// Two positions' values beside each other, channel by channel: the instruction multiplies and adds pairs.
inline void packPair(const Bf16* first, const Bf16* second, Bf16* to) {
  const auto pairs = [](int from) {
    alignas(64) Bf16 order[32];
    for (int i = 0; i < 16; ++i) {
      order[2 * i] = static_cast<Bf16>(from + i);
      order[2 * i + 1] = static_cast<Bf16>(32 + from + i);
    }
    return _mm512_load_si512(order);
  };
  const auto low = pairs(0), high = pairs(16);
  for (int half = 0; half < 2; ++half) {
    const auto a = _mm512_loadu_si512(first + 32 * half), b = _mm512_loadu_si512(second + 32 * half);
    _mm512_store_si512(to + 64 * half, _mm512_permutex2var_epi16(a, low, b));
    _mm512_store_si512(to + 64 * half + 32, _mm512_permutex2var_epi16(a, high, b));
  }
}

/// into[i][…] += Σ over pairs of gradient[pair][i] · x[pair][…], for `tile` output channels and a block of x's.
template <int tile>
inline void multiply(const Bf16* gradient, const Bf16* x, std::int64_t pairs, float* into, std::int64_t stride) {
  __m512 sums[tile][kVectors];
#pragma GCC unroll 6
  for (int i = 0; i < tile; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) sums[i][j] = _mm512_loadu_ps(into + i * stride + 16 * j);
  for (std::int64_t pair = 0; pair < pairs; ++pair, gradient += kPair, x += kPair) {
    __m512bh values[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) values[j] = loadPairs(x + 32 * j);
#pragma GCC unroll 6
    for (int i = 0; i < tile; ++i) {
      const auto factor = broadcastPair(gradient + 2 * i);
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], values[j], factor);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < tile; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) _mm512_storeu_ps(into + i * stride + 16 * j, sums[i][j]);
}

/// The part of some positions, at most kPositions of them.
class Chunk {
 public:
  Chunk(const ConvolutionShape& shape, const WeightGradientPart& part, std::int64_t first, std::int64_t count)
      : shape_(shape),
        part_(part),
        first_(first),
        count_(count),
        pairs_((count + 1) / 2),
        stride_(shape.kernel * shape.kernel * shape.channels),
        workspace_(*static_cast<Workspace*>(part.workspace)) {}

  void add() {
    packGradient();
    for (std::int64_t down = 0; down < shape_.kernel; ++down) {
      for (std::int64_t across = 0; across < shape_.kernel; ++across) {
        findPositions(down, across);
        for (std::int64_t channel = 0; channel < shape_.channels; channel += kGradientBlock) {
          packValues(channel);
          multiplyAll(part_.into + (down * shape_.kernel + across) * shape_.channels + channel);
        }
      }
    }
  }

 private:
  void packGradient() {
    const auto* from = part_.gradient + first_ * shape_.outChannels + part_.firstBlock * kGradientBlock;
    for (std::int64_t pair = 0; pair < pairs_; ++pair, from += 2 * shape_.outChannels) {
      const auto* second = 2 * pair + 1 < count_ ? from + shape_.outChannels : kZeros;
      for (std::int64_t block = 0; block < part_.blocks; ++block)
        packPair(from + block * kGradientBlock, second + block * kGradientBlock,
                 workspace_.gradient[block] + pair * kPair);
    }
  }

  void findPositions(std::int64_t down, std::int64_t across) {
    auto column = first_ % shape_.outWidth, row = first_ / shape_.outWidth % shape_.outHeight;
    auto image = first_ / (shape_.outWidth * shape_.outHeight);
    for (std::int64_t i = 0; i < count_; ++i) {
      const auto y = row * shape_.stride - shape_.padding + down,
                 x = column * shape_.stride - shape_.padding + across;
      const bool inside = y >= 0 && x >= 0 && y < shape_.height && x < shape_.width;
      workspace_.positions[i] =
          inside ? part_.x + ((image * shape_.height + y) * shape_.width + x) * shape_.channels : kZeros;
      if (++column < shape_.outWidth) continue;
      column = 0;
      if (++row < shape_.outHeight) continue;
      row = 0;
      ++image;
    }
    if (count_ % 2 == 1) workspace_.positions[count_] = kZeros;
  }

  void packValues(std::int64_t channel) {
    const bool more = channel + kGradientBlock < shape_.channels;
    for (std::int64_t pair = 0; pair < pairs_; ++pair) {
      const auto *first = workspace_.positions[2 * pair] + channel,
                 *second = workspace_.positions[2 * pair + 1] + channel;
      // The next block of channels lies too far from this one's next position for the processor to foresee it.
      for (std::int64_t line = kGradientBlock; more && line < 2 * kGradientBlock; line += 32) {
        _mm_prefetch(first + line, _MM_HINT_T1);
        _mm_prefetch(second + line, _MM_HINT_T1);
      }
      packPair(first, second, workspace_.x + pair * kPair);
    }
  }

  void multiplyAll(float* into) {
    for (std::int64_t block = 0; block < part_.blocks; ++block, into += kGradientBlock * stride_) {
      const auto* gradient = workspace_.gradient[block];
      int i = 0;
      for (; i + kTile <= kGradientBlock; i += kTile)
        multiply<kTile>(gradient + 2 * i, workspace_.x, pairs_, into + i * stride_, stride_);
      multiply<kLastTile>(gradient + 2 * i, workspace_.x, pairs_, into + i * stride_, stride_);
    }
  }

  const ConvolutionShape& shape_;
  const WeightGradientPart& part_;
  std::int64_t first_, count_, pairs_, stride_;
  Workspace& workspace_;
};

}  // namespace

std::size_t weightGradientWorkspace() {
  return sizeof(Workspace);
}

void addWeightGradient(const ConvolutionShape& shape, const WeightGradientPart& part) {
  for (auto first = part.first; first < part.last; first += kPositions)
    Chunk(shape, part, first, std::min(kPositions, part.last - first)).add();
}

}  // namespace resnet_torch::model
