#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/uninitialised.h"
#include "data/view/geometry.h"

namespace resnet_torch::data {

/// Bytes of a pixel before the last pass: red, green, blue and one that is not used.
constexpr int kPixelBytes = 4;

/// Takes the rows of a part of a picture, as displayed, from top to bottom.
class RowSink {
 public:
  virtual ~RowSink() = default;
  /// The part of the displayed picture that is wanted.
  virtual const Box& source() const = 0;
  /// The next row of source(): source().width pixels of kPixelBytes.
  virtual void pushRow(const std::uint8_t* row) = 0;
};

/// A picture that is decoded smaller: a pixel is the mean of `factor`×`factor` of it. The grid of these squares
/// begins `leadX`, `leadY` pixels before the displayed picture, and ends where the last square that holds any of it
/// does.
struct Reduction {
  int factor = 1;  ///< 1, 2, 4 or 8
  int leadX = 0, leadY = 0;
};

/// A side of a picture of `length` pixels, reduced.
constexpr int reducedLength(int length, int factor) {
  return (length + factor - 1) / factor;
}

/// The largest factor of 2, 4 and 8 at which the view's box still has twice the sides of what it is resized to, at
/// least; 1 where there is none.
int reductionFor(const View& view);

/// Weights of one axis of Pillow's antialiased bilinear resampling (Image.resize, BILINEAR): a triangle filter whose
/// support grows with the downscale factor, its weights normalised and rounded to 22 bits.
struct AxisWeights {
  /// For the output positions [first, first + count) of `output` positions over `input` pixels.
  AxisWeights(int input, int output, int first, int count);

  /// Turns weights over pixels into weights over means of `factor` pixels, `cells` of them, of which the first begins
  /// `lead` before pixel −`offset`. Each pixel is taken from the parabola that has the three means around it.
  void reduce(int factor, int lead, int offset, int cells);

  int taps = 0;                       ///< room for the weights of a position
  std::vector<int> begin, length;     ///< input pixels of each position
  std::vector<std::int32_t> weights;  ///< [count × taps]

  /// The input pixels that any position uses.
  int inputBegin() const { return begin.front(); }
  int inputEnd() const { return begin.back() + length.back(); }
};

/// What a resizer works in, kept from image to image by each thread.
struct ResizeBuffers {
  Scratch rows;       // [kBlockRows × source columns × kPixelBytes]
  Scratch block;      // [source columns × kBlockRows × kPixelBytes]
  Scratch resampled;  // [columns × kBlockRows × kPixelBytes]
  Scratch narrow;     // [source rows and a block of them × stride]
  Scratch row;        // [stride]
};

/// Makes one view from rows of the source, so that a decoder need hold no more than a row. Rows are resampled
/// horizontally as they come and vertically at the end, with 8-bit rounding between, which is Pillow's order: results
/// equal Pillow's bit for bit.
class ViewResizer final : public RowSink {
 public:
  explicit ViewResizer(const View& view);
  /// From a picture of `width`×`height` that is decoded smaller; source() is then a part of the reduced one.
  ViewResizer(const View& view, int width, int height, const Reduction& reduction);
  ~ViewResizer() override;
  ViewResizer(const ViewResizer&) = delete;
  ViewResizer& operator=(const ViewResizer&) = delete;

  const Box& source() const override { return source_; }
  void pushRow(const std::uint8_t* row) override;

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
  std::size_t rowStride_;  // bytes of a row of the source
  std::size_t stride_;     // of the narrow picture
  ResizeBuffers buffers_;
  int pushed_ = 0, flushed_ = 0;
};

/// Pushes all rows of the sink's source() from stored pixels of its rectangle, `width`×`height` of kPixelBytes as
/// stored, turned as EXIF's `orientation` says.
void pushDisplayed(const std::uint8_t* stored, int width, int height, int orientation, RowSink& sink);

}  // namespace resnet_torch::data
