#include "data/raw_pixels.h"

#include <algorithm>

namespace resnet_torch::data {

void pushRaw(Bytes pixels, const RawShape& shape, RowSink& sink) {
  const Box& box = sink.source();
  const auto channels = static_cast<std::size_t>(shape.channels);
  Scratch row;
  row.reserve(static_cast<std::size_t>(box.width) * kPixelBytes);
  for (int y = 0; y < box.height; ++y) {
    const std::uint8_t* from =
        pixels.data() + (static_cast<std::size_t>(box.top + y) * shape.width + box.left) * channels;
    std::uint8_t* to = row.data();
    for (int x = 0; x < box.width; ++x, from += channels, to += kPixelBytes) {
      if (channels == 1) {
        std::fill_n(to, 3, *from);
      } else {
        std::copy_n(from, 3, to);
      }
      to[3] = 0;
    }
    sink.pushRow(row.data());
  }
}

}  // namespace resnet_torch::data
