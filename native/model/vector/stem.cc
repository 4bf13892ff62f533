// Compiled for processors with avx512_bf16 alone.
#include "model/vector/stem.h"

#include <algorithm>
#include <cstring>

#include "model/vector/bf16_pairs.h"

namespace resnet_torch::model {

namespace {

/// A row of the kernel meets 21 neighbours in memory, which are taken as pairs; the 22nd has a weight of zero.
constexpr std::int64_t kRowValues = kStemKernel * kStemInputs, kRowPairs = (kRowValues + 1) / 2;
constexpr std::int64_t kStride = 2, kPadding = 3;

/// Values of a row of the image with its padding, and with what lies under the weights of zero.
std::int64_t paddedValues(const StemShape& shape) {
  const auto reached = kStride * (shape.convolvedWidth() - 1) + kStemKernel;
  return (reached * kStemInputs + 1 + 31) / 32 * 32;
}

/// A row of the convolution in float32 with a column of padding on each side, and rows that were pooled across.
struct Workspace {
  float* convolved;
  float* across[3];
  Bf16* image;

  static std::size_t floats(const StemShape& shape) {
    return static_cast<std::size_t>((shape.convolvedWidth() + 2 + 3 * shape.outWidth()) * kStemOutputs);
  }

  Workspace(const StemShape& shape, void* memory) : convolved(static_cast<float*>(memory)) {
    auto* rest = convolved + (shape.convolvedWidth() + 2) * kStemOutputs;
    for (auto& row : across) {
      row = rest;
      rest += shape.outWidth() * kStemOutputs;
    }
    image = reinterpret_cast<Bf16*>(rest);
  }
};

/// Rows of the image that rows of the output are made of.
std::int64_t imageRows(std::int64_t rows) {
  return kStride * (2 * rows) + kStemKernel;
}

/// `tile` positions of a row of the convolution, after ReLU. `rows`: of the padded image, from the first position's.
template <int tile>
inline void convolve(const Bf16* rows, std::int64_t rowValues, const Bf16* packed, const float* bias, float* out) {
  __m512 sums[tile][kVectors];
#pragma GCC unroll 4
  for (int j = 0; j < kVectors; ++j) {
    const auto start = _mm512_loadu_ps(bias + 16 * j);
#pragma GCC unroll 6
    for (int i = 0; i < tile; ++i) sums[i][j] = start;
  }
  for (std::int64_t row = 0; row < kStemKernel; ++row, rows += rowValues) {
    for (std::int64_t pair = 0; pair < kRowPairs; ++pair, packed += kPair) {
      __m512bh weights[kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) weights[j] = loadPairs(packed + 32 * j);
#pragma GCC unroll 6
      for (int i = 0; i < tile; ++i) {
        const auto values = broadcastPair(rows + kStride * kStemInputs * i + 2 * pair);
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], weights[j], values);
      }
    }
  }
  // The second operand is answered where one is not a number.
  const auto zero = _mm512_setzero_ps();
#pragma GCC unroll 6
  for (int i = 0; i < tile; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j)
      _mm512_storeu_ps(out + i * kStemOutputs + 16 * j, _mm512_max_ps(zero, sums[i][j]));
}

void convolveRow(const StemShape& shape, const Bf16* rows, const Bf16* packed, const float* bias, float* out) {
  const auto rowValues = paddedValues(shape), width = shape.convolvedWidth();
  std::int64_t column = 0;
  const auto step = [&](auto run, std::int64_t tile) {
    run(rows + kStride * kStemInputs * column, rowValues, packed, bias, out + column * kStemOutputs);
    column += tile;
  };
  while (width - column >= kTile) step(convolve<kTile>, kTile);
  switch (width - column) {
    case 5:
      return step(convolve<5>, 5);
    case 4:
      return step(convolve<4>, 4);
    case 3:
      return step(convolve<3>, 3);
    case 2:
      return step(convolve<2>, 2);
    case 1:
      return step(convolve<1>, 1);
    default:
      return;
  }
}

/// The largest of three neighbours, every second position. After ReLU, zeros are as good as no neighbours.
void poolAcross(const float* padded, std::int64_t outWidth, float* out) {
  for (std::int64_t column = 0; column < outWidth; ++column, padded += 2 * kStemOutputs, out += kStemOutputs) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      const auto* from = padded + 16 * j;
      const auto pair = _mm512_max_ps(_mm512_loadu_ps(from), _mm512_loadu_ps(from + kStemOutputs));
      _mm512_storeu_ps(out + 16 * j, _mm512_max_ps(pair, _mm512_loadu_ps(from + 2 * kStemOutputs)));
    }
  }
}

void poolDown(float* const (&rows)[3], std::int64_t outWidth, Bf16* out) {
  for (std::int64_t at = 0; at < outWidth * kStemOutputs; at += 32) {
    __m512 best[2];
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const auto pair =
          _mm512_max_ps(_mm512_loadu_ps(rows[0] + at + 16 * half), _mm512_loadu_ps(rows[1] + at + 16 * half));
      best[half] = _mm512_max_ps(pair, _mm512_loadu_ps(rows[2] + at + 16 * half));
    }
    _mm512_storeu_si512(out + at, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(best[1], best[0])));
  }
}

/// Copies rows of the image, `first` on, with zeros for all that lies outside of it.
void padImage(const StemShape& shape, const Bf16* image, std::int64_t first, std::int64_t rows, Bf16* padded) {
  const auto values = paddedValues(shape), inside = shape.width * kStemInputs, before = kPadding * kStemInputs;
  std::memset(padded, 0, static_cast<std::size_t>(rows * values) * sizeof(Bf16));
  // The last columns may be reached by no position.
  const auto count = static_cast<std::size_t>(std::min(inside, values - before)) * sizeof(Bf16);
  for (std::int64_t row = std::max<std::int64_t>(first, 0); row < std::min(first + rows, shape.height); ++row)
    std::memcpy(padded + (row - first) * values + before, image + row * inside, count);
}

}  // namespace

void packStem(const std::uint16_t* weight, std::uint16_t* packed) {
  for (std::int64_t row = 0; row < kStemKernel; ++row) {
    for (std::int64_t value = 0; value < 2 * kRowPairs; ++value) {
      for (std::int64_t output = 0; output < kStemOutputs; ++output) {
        const auto column = value / kStemInputs, input = value % kStemInputs;
        packed[((row * kRowPairs + value / 2) * kStemOutputs + output) * 2 + value % 2] =
            value < kRowValues ? weight[((output * kStemInputs + input) * kStemKernel + row) * kStemKernel + column]
                               : std::uint16_t{0};
      }
    }
  }
}

std::size_t stemWorkspace(const StemShape& shape, std::int64_t rows) {
  const auto values = static_cast<std::size_t>(imageRows(rows) * paddedValues(shape));
  return Workspace::floats(shape) * sizeof(float) + values * sizeof(Bf16);
}

void runStem(const StemShape& shape, const std::uint16_t* image, const std::uint16_t* packed, const float* bias,
             std::int64_t first, std::int64_t last, std::uint16_t* out, void* memory) {
  const Workspace workspace(shape, memory);
  const auto rowValues = paddedValues(shape), width = shape.convolvedWidth();
  const auto firstConvolved = 2 * first - 1;
  const auto firstRow = kStride * firstConvolved - kPadding;
  padImage(shape, image, firstRow, imageRows(last - first), workspace.image);
  std::fill(workspace.convolved, workspace.convolved + kStemOutputs, 0.0F);
  std::fill(workspace.convolved + (width + 1) * kStemOutputs, workspace.convolved + (width + 2) * kStemOutputs, 0.0F);
  const auto make = [&](std::int64_t row) {
    auto* across = workspace.across[(row + 3) % 3];
    if (row < 0 || row >= shape.convolvedHeight()) {
      std::fill(across, across + shape.outWidth() * kStemOutputs, 0.0F);
      return;
    }
    convolveRow(shape, workspace.image + (kStride * row - kPadding - firstRow) * rowValues, packed, bias,
                workspace.convolved + kStemOutputs);
    poolAcross(workspace.convolved, shape.outWidth(), across);
  };
  if (first < last) make(firstConvolved);
  for (auto row = first; row < last; ++row) {
    make(2 * row);
    make(2 * row + 1);
    poolDown(workspace.across, shape.outWidth(), out + row * shape.outWidth() * kStemOutputs);
  }
}

}  // namespace resnet_torch::model
