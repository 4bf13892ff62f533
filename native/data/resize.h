#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/augment.h"

namespace resnet_torch::data {

/// Bytes of a pixel before the last pass: red, green, blue and one that is not used.
constexpr int kPixelBytes = 4;

/// Weights of one axis of Pillow's antialiased bilinear resampling (Image.resize, BILINEAR): a triangle filter whose
/// support grows with the downscale factor, its weights normalised and rounded to 22 bits.
struct AxisWeights {
  /// For the output positions [first, first + count) of `output` positions over `input` pixels.
  AxisWeights(int input, int output, int first, int count);

  int taps = 0;                       ///< room for the weights of a position
  std::vector<int> begin, length;     ///< input pixels of each position
  std::vector<std::int32_t> weights;  ///< [count × taps]

  /// The input pixels that any position uses.
  int inputBegin() const { return begin.front(); }
  int inputEnd() const { return begin.back() + length.back(); }
};

/// Makes one view from rows of the source, handed over from top to bottom, so that a decoder need hold no more than a
/// row. Rows are resampled horizontally as they come and vertically at the end, with 8-bit rounding between, which is
/// Pillow's order: results equal Pillow's bit for bit.
class ViewResizer {
 public:
  explicit ViewResizer(const View& view);

  /// The part of the displayed image that is needed, within the view's box.
  const Box& source() const { return source_; }

  /// The next row of source(): source().width pixels of kPixelBytes.
  void pushRow(const std::uint8_t* row);

  /// After the last row: writes the view, [size, size, 3] bytes.
  void finish(std::uint8_t* out);

 private:
  /// Positions of the scaled box along one axis, those that show.
  struct Span {
    int begin, count;
  };
  static Span visible(int offset, int scaled, int size);

  void flushBlock();
  void writeRow(const std::uint8_t* pixels, std::uint8_t* out) const;

  View view_;
  Span columns_, rows_;
  AxisWeights horizontal_, vertical_;
  Box source_;
  std::size_t stride_;                // bytes of a row of narrow_
  std::vector<std::uint8_t> block_;   // [source columns × kBlockRows × kPixelBytes]
  std::vector<std::uint8_t> narrow_;  // [source rows × stride_]
  int pushed_ = 0, flushed_ = 0;
};

/// Pushes all rows of source() from stored pixels of its rectangle, `width`×`height` of kPixelBytes as stored, turned
/// as EXIF's `orientation` says.
void pushDisplayed(const std::uint8_t* stored, int width, int height, int orientation, ViewResizer& resizer);

}  // namespace resnet_torch::data
