#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "data/orientation.h"
#include "data/wide.h"

namespace resnet_torch::data {

namespace {

constexpr int kPrecisionBits = 22;  // Pillow's: 32 − 8 for the pixel − 2 for the sum
constexpr int kHalf = 1 << (kPrecisionBits - 1);

/// Rows that are resampled horizontally at a time. They lie beside each other, pixel by pixel, so that a weight meets
/// a run of kLanes bytes.
constexpr int kBlockRows = 16;
constexpr int kLanes = kBlockRows * kPixelBytes;

/// Pixels that are moved together where rows become columns.
constexpr int kQuad = 4;
constexpr int kQuadBytes = kQuad * kPixelBytes;
static_assert(kBlockRows % kQuad == 0);

constexpr int wholeQuads(int pixels) {
  return (pixels + kQuad - 1) / kQuad * kQuad;
}

// Vectors of the compiler's: they are whatever the instructions of each copy below have.
using Quad = std::uint32_t __attribute__((vector_size(kQuadBytes)));
using QuadOfBytes = std::uint8_t __attribute__((vector_size(kQuadBytes)));
static_assert(sizeof(std::uint32_t) == kPixelBytes);

#ifdef __clang__
#define RESNET_TORCH_SHUFFLE(type, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define RESNET_TORCH_SHUFFLE(type, a, b, ...) __builtin_shuffle(a, b, type{__VA_ARGS__})
#endif

/// How much a reduced picture is still shrunk at least. What lies within a mean is lost, and the triangle would weigh
/// its parts differently: at 1, views of photographs differ by up to 4 of 255 on average, at 2 by a half.
constexpr int kLeastShrinkage = 2;

/// Buffers above this are not kept for the next image.
constexpr std::size_t kMostKept = std::size_t{16} << 20;

thread_local ResizeBuffers keptBuffers;

/// Weights over the pixels of a picture as it is are not negative; over reduced ones some are, and sums overshoot.
inline std::uint8_t toByte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

/// Weighted sums over pixels of a block: [input pixels × kLanes] → [count × kLanes].
RESNET_TORCH_WIDE void resampleBlock(const std::uint8_t* __restrict block, const int* __restrict begin,
                                     const int* __restrict length, const std::int32_t* __restrict weights, int taps,
                                     int count, std::uint8_t* __restrict out) {
  for (int i = 0; i < count; ++i) {
    const std::uint8_t* from = block + static_cast<std::ptrdiff_t>(begin[i]) * kLanes;
    const std::int32_t* weight = weights + static_cast<std::ptrdiff_t>(i) * taps;
    const int used = length[i];
    std::int32_t sums[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] = kHalf;
    for (int tap = 0; tap < used; ++tap, from += kLanes)
      for (int lane = 0; lane < kLanes; ++lane) sums[lane] += from[lane] * weight[tap];
    for (int lane = 0; lane < kLanes; ++lane) out[lane] = toByte(sums[lane]);
    out += kLanes;
  }
}

/// One output row as the weighted sum of `taps` rows; `bytes` is a multiple of kLanes.
RESNET_TORCH_WIDE void resampleRows(const std::uint8_t* __restrict rows, std::ptrdiff_t stride,
                                    const std::int32_t* __restrict weights, int taps, int bytes,
                                    std::uint8_t* __restrict out) {
  for (int at = 0; at < bytes; at += kLanes) {
    const std::uint8_t* from = rows + at;
    std::int32_t sums[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] = kHalf;
    for (int tap = 0; tap < taps; ++tap, from += stride)
      for (int lane = 0; lane < kLanes; ++lane) sums[lane] += from[lane] * weights[tap];
    for (int lane = 0; lane < kLanes; ++lane) out[at + lane] = toByte(sums[lane]);
  }
}

/// Four pixels of four rows each, which lie `from` bytes apart, to the same by columns, `to` bytes apart.
[[gnu::always_inline]] inline void turnQuad(const std::uint8_t* source, std::ptrdiff_t from, std::uint8_t* target,
                                            std::ptrdiff_t to) {
  Quad a, b, c, d;
  std::memcpy(&a, source, kQuadBytes);
  std::memcpy(&b, source + from, kQuadBytes);
  std::memcpy(&c, source + 2 * from, kQuadBytes);
  std::memcpy(&d, source + 3 * from, kQuadBytes);
  const Quad ab = RESNET_TORCH_SHUFFLE(Quad, a, b, 0, 4, 1, 5), cd = RESNET_TORCH_SHUFFLE(Quad, c, d, 0, 4, 1, 5);
  const Quad abHigh = RESNET_TORCH_SHUFFLE(Quad, a, b, 2, 6, 3, 7);
  const Quad cdHigh = RESNET_TORCH_SHUFFLE(Quad, c, d, 2, 6, 3, 7);
  const Quad turned[] = {
      RESNET_TORCH_SHUFFLE(Quad, ab, cd, 0, 1, 4, 5), RESNET_TORCH_SHUFFLE(Quad, ab, cd, 2, 3, 6, 7),
      RESNET_TORCH_SHUFFLE(Quad, abHigh, cdHigh, 0, 1, 4, 5), RESNET_TORCH_SHUFFLE(Quad, abHigh, cdHigh, 2, 3, 6, 7)};
  for (const Quad& column : turned) {
    std::memcpy(target, &column, kQuadBytes);
    target += to;
  }
}

/// Rows of `pixels`, `stride` bytes apart, to a block, in which they lie beside each other.
RESNET_TORCH_WIDE void rowsToBlock(const std::uint8_t* __restrict rows, std::ptrdiff_t stride, int pixels,
                                   std::uint8_t* __restrict block) {
  for (int x = 0; x < pixels; x += kQuad)
    for (int y = 0; y < kBlockRows; y += kQuad)
      turnQuad(rows + y * stride + x * kPixelBytes, stride, block + x * kLanes + y * kPixelBytes, kLanes);
}

/// The way back.
RESNET_TORCH_WIDE void blockToRows(const std::uint8_t* __restrict block, int pixels, std::uint8_t* __restrict rows,
                                   std::ptrdiff_t stride) {
  for (int x = 0; x < pixels; x += kQuad)
    for (int y = 0; y < kBlockRows; y += kQuad)
      turnQuad(block + x * kLanes + y * kPixelBytes, kLanes, rows + y * stride + x * kPixelBytes, stride);
}

/// Pixels without their fourth byte, from left to right or the other way.
RESNET_TORCH_WIDE void packRow(const std::uint8_t* __restrict pixels, int count, bool flip,
                               std::uint8_t* __restrict out) {
  // What is written beyond four pixels is written over, so the last ones go one by one.
  int x = 0;
  for (; x + 2 * kQuad <= count; x += kQuad, out += kQuad * 3) {
    QuadOfBytes four;
    std::memcpy(&four, pixels + (flip ? count - kQuad - x : x) * kPixelBytes, kQuadBytes);
    const QuadOfBytes packed =
        flip ? RESNET_TORCH_SHUFFLE(QuadOfBytes, four, four, 12, 13, 14, 8, 9, 10, 4, 5, 6, 0, 1, 2, 3, 3, 3, 3)
             : RESNET_TORCH_SHUFFLE(QuadOfBytes, four, four, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 3, 3, 3);
    std::memcpy(out, &packed, kQuadBytes);
  }
  for (; x < count; ++x, out += 3) std::memcpy(out, pixels + (flip ? count - 1 - x : x) * kPixelBytes, 3);
}

}  // namespace

AxisWeights::AxisWeights(int input, int output, int first, int count) {
  const double scale = static_cast<double>(input) / output;
  const double support = std::max(scale, 1.0);  // the triangle's is 1
  taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  begin.resize(static_cast<std::size_t>(count));
  length.resize(static_cast<std::size_t>(count));
  weights.assign(static_cast<std::size_t>(count) * taps, 0);
  std::vector<double> exact(static_cast<std::size_t>(taps));
  for (int i = 0; i < count; ++i) {
    const double center = (first + i + 0.5) * scale;
    const int low = std::max(static_cast<int>(center - support + 0.5), 0);
    const int high = std::min(static_cast<int>(center + support + 0.5), input);
    double sum = 0;
    for (int x = low; x < high; ++x) {
      const double distance = std::abs((x - center + 0.5) / support);
      exact[x - low] = distance < 1 ? 1 - distance : 0;
      sum += exact[x - low];
    }
    begin[i] = low;
    length[i] = high - low;
    for (int x = low; x < high; ++x)
      weights[static_cast<std::size_t>(i) * taps + (x - low)] =
          static_cast<std::int32_t>(0.5 + exact[x - low] / sum * (1 << kPrecisionBits));
  }
}

void AxisWeights::reduce(int factor, int lead, int offset, int cells) {
  const int room = (taps + factor - 2) / factor + 3;  // cells that hold any pixel, and a neighbour on either side
  std::vector<std::int32_t> reduced(begin.size() * static_cast<std::size_t>(room));
  std::vector<double> exact(static_cast<std::size_t>(room));
  for (std::size_t i = 0; i < begin.size(); ++i) {
    const int from = begin[i] + offset + lead;
    const int first = std::max(from / factor - 1, 0);
    const int last = std::min((from + length[i] - 1) / factor + 1, cells - 1);
    std::fill(exact.begin(), exact.end(), 0);
    for (int k = 0; k < length[i]; ++k) {
      const double weight = weights[i * static_cast<std::size_t>(taps) + k];
      const int cell = (from + k) / factor;
      // Where the pixel's middle lies in its cell, −½ to ½, and the mean of the square of that over the pixel.
      const double at = ((from + k) % factor + 0.5) / factor - 0.5;
      const double square = at * at + 1.0 / (12.0 * factor * factor);
      exact[std::max(cell - 1, first) - first] += weight * (-1.0 / 24 - at / 2 + square / 2);
      exact[cell - first] += weight * (1 + 1.0 / 12 - square);
      exact[std::min(cell + 1, last) - first] += weight * (-1.0 / 24 + at / 2 + square / 2);
    }
    begin[i] = first;
    length[i] = last - first + 1;
    for (int k = 0; k < length[i]; ++k)
      reduced[i * static_cast<std::size_t>(room) + k] = static_cast<std::int32_t>(std::lround(exact[k]));
  }
  taps = room;
  weights = std::move(reduced);
}

int reductionFor(const View& view) {
  for (const int factor : {8, 4, 2}) {
    const int least = factor * kLeastShrinkage;
    if (view.box.width >= least * view.width && view.box.height >= least * view.height) return factor;
  }
  return 1;
}

ViewResizer::Span ViewResizer::visible(int offset, int scaled, int size) {
  const int begin = std::max(offset, 0);
  return {begin, std::min(offset + size, scaled) - begin};
}

ViewResizer::ViewResizer(const View& view) : ViewResizer(view, 0, 0, Reduction{}) {}

ViewResizer::ViewResizer(const View& view, int width, int height, const Reduction& reduction)
    : view_(view),
      columns_(visible(view.left, view.width, view.size)),
      rows_(visible(view.top, view.height, view.size)),
      horizontal_(view.box.width, view.width, columns_.begin, columns_.count),
      vertical_(view.box.height, view.height, rows_.begin, rows_.count),
      buffers_(std::exchange(keptBuffers, {})) {
  int left = view.box.left, top = view.box.top;
  if (reduction.factor > 1) {
    horizontal_.reduce(reduction.factor, reduction.leadX, left, reducedLength(width, reduction.factor));
    vertical_.reduce(reduction.factor, reduction.leadY, top, reducedLength(height, reduction.factor));
    left = top = 0;
  }
  source_ = {left + horizontal_.inputBegin(), top + vertical_.inputBegin(),
             horizontal_.inputEnd() - horizontal_.inputBegin(), vertical_.inputEnd() - vertical_.inputBegin()};
  // From now on relative to the source.
  const int firstColumn = horizontal_.inputBegin(), firstRow = vertical_.inputBegin();
  for (auto& begin : horizontal_.begin) begin -= firstColumn;
  for (auto& begin : vertical_.begin) begin -= firstRow;
  stride_ = (static_cast<std::size_t>(columns_.count) * kPixelBytes + kLanes - 1) / kLanes * kLanes;
  rowStride_ = static_cast<std::size_t>(wholeQuads(source_.width)) * kPixelBytes;
  buffers_.rows.reserve(rowStride_ * kBlockRows);
  buffers_.block.reserve(static_cast<std::size_t>(wholeQuads(source_.width)) * kLanes);
  buffers_.resampled.reserve(static_cast<std::size_t>(wholeQuads(columns_.count)) * kLanes);
  buffers_.narrow.reserve((static_cast<std::size_t>(source_.height) + kBlockRows) * stride_);
  buffers_.row.reserve(stride_);
}

ViewResizer::~ViewResizer() {
  if (buffers_.block.capacity() + buffers_.narrow.capacity() <= kMostKept) keptBuffers = std::move(buffers_);
}

void ViewResizer::pushRow(const std::uint8_t* row) {
  std::memcpy(buffers_.rows.data() + static_cast<std::size_t>(pushed_ - flushed_) * rowStride_, row,
              static_cast<std::size_t>(source_.width) * kPixelBytes);
  ++pushed_;
  if (pushed_ - flushed_ == kBlockRows) flushBlock();
}

void ViewResizer::flushBlock() {
  if (pushed_ == flushed_) return;
  rowsToBlock(buffers_.rows.data(), static_cast<std::ptrdiff_t>(rowStride_), source_.width, buffers_.block.data());
  resampleBlock(buffers_.block.data(), horizontal_.begin.data(), horizontal_.length.data(),
                horizontal_.weights.data(), horizontal_.taps, columns_.count, buffers_.resampled.data());
  // A block that is not full leaves rows behind the last one that nobody reads.
  blockToRows(buffers_.resampled.data(), columns_.count,
              buffers_.narrow.data() + static_cast<std::size_t>(flushed_) * stride_,
              static_cast<std::ptrdiff_t>(stride_));
  flushed_ = pushed_;
}

void ViewResizer::finish(std::uint8_t* out) {
  flushBlock();
  const std::size_t outStride = static_cast<std::size_t>(view_.size) * 3;
  if (rows_.count < view_.size || columns_.count < view_.size)
    std::memset(out, 0, outStride * static_cast<std::size_t>(view_.size));
  out += static_cast<std::size_t>(rows_.begin - view_.top) * outStride;
  for (int y = 0; y < rows_.count; ++y, out += outStride) {
    resampleRows(buffers_.narrow.data() + static_cast<std::size_t>(vertical_.begin[y]) * stride_,
                 static_cast<std::ptrdiff_t>(stride_),
                 vertical_.weights.data() + static_cast<std::size_t>(y) * vertical_.taps, vertical_.length[y],
                 static_cast<int>(stride_), buffers_.row.data());
    writeRow(buffers_.row.data(), out);
  }
}

void ViewResizer::writeRow(const std::uint8_t* pixels, std::uint8_t* out) const {
  const int first = columns_.begin - view_.left, last = first + columns_.count - 1;
  packRow(pixels, columns_.count, view_.flip,
          out + static_cast<std::ptrdiff_t>(view_.flip ? view_.size - 1 - last : first) * 3);
}

void pushDisplayed(const std::uint8_t* stored, int width, int height, int orientation, RowSink& sink) {
  const auto walk = displayWalk(orientation, width, height);
  const int columns = swapsSides(orientation) ? height : width, rows = swapsSides(orientation) ? width : height;
  std::vector<std::uint8_t> row(static_cast<std::size_t>(columns) * kPixelBytes);
  for (int y = 0; y < rows; ++y) {
    const std::uint8_t* from = stored + (walk.offset + y * walk.stepY) * kPixelBytes;
    for (int x = 0; x < columns; ++x, from += walk.stepX * kPixelBytes)
      std::memcpy(row.data() + static_cast<std::ptrdiff_t>(x) * kPixelBytes, from, kPixelBytes);
    sink.pushRow(row.data());
  }
}

}  // namespace resnet_torch::data
