// Decodes JPEGs, and changed copies of them, with the entropy decoder and with libjpeg's own: where the former does
// not leave a file to the latter, both must come to the same outcome and the same pixels. Usage: entropy CHANGES
// FILE...

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>

#include "data/image_cache.h"
#include "data/jpeg.h"

using namespace resnet_torch::data;

namespace {

/// Keeps the rows of a box.
class Recorder final : public RowSink {
 public:
  explicit Recorder(const Box& box) : box_(box) {}
  const Box& source() const override { return box_; }
  void pushRow(const std::uint8_t* row) override {
    for (int x = 0; x < box_.width; ++x)
      pixels_.insert(pixels_.end(), row + x * kPixelBytes, row + x * kPixelBytes + 3);
  }
  const std::vector<std::uint8_t>& pixels() const { return pixels_; }

 private:
  Box box_;
  std::vector<std::uint8_t> pixels_;
};

struct Counts {
  int same = 0, left = 0, refused = 0, beyond = 0;
};

/// Whether restart markers are announced.
bool hasRestarts(const std::vector<std::uint8_t>& file) {
  constexpr std::uint8_t kMarker[] = {0xFF, 0xDD, 0, 4};
  return std::search(file.begin(), file.end(), std::begin(kMarker), std::end(kMarker)) != file.end();
}

void compare(const std::vector<std::uint8_t>& file, std::mt19937& random, const char* name, Counts& counts) {
  const Bytes bytes{file.data(), file.size()};
  if (!looksLikeJpeg(bytes)) return;
  const auto layout = readJpegLayout(bytes);
  if (!layout.valid || !isPlainJpeg(layout) || layout.width * layout.height > 1 << 20) return;
  const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
  for (const int factor : {1, 2, 4, 8}) {
    const int width = reducedLength(layout.width, factor), height = reducedLength(layout.height, factor);
    const bool whole = below(2) == 0;
    const int left = whole ? 0 : below(width), top = whole ? 0 : below(height);
    const Box box{left, top, whole ? width : 1 + below(width - left), whole ? height : 1 + below(height - top)};
    Recorder ours(box), theirs(box);
    std::string message;
    const auto found = decodeJpeg(bytes, layout, factor, Entropy::kOurs, ours, message);
    const auto expected = decodeJpeg(bytes, layout, factor, Entropy::kLibjpeg, theirs, message);
    if (found == JpegOutcome::kOdd) {
      ++counts.left;
      continue;
    }
    // Libjpeg reads what lies above the box too, and may find a segment there that ends early.
    if (found == JpegOutcome::kDone && expected == JpegOutcome::kBroken && top > 0 && hasRestarts(file)) {
      ++counts.beyond;
      continue;
    }
    if (found != expected || (found == JpegOutcome::kDone && ours.pixels() != theirs.pixels())) {
      std::fprintf(stderr, "%s differs at a factor of %d: outcome %d, libjpeg's %d\n", name, factor,
                   static_cast<int>(found), static_cast<int>(expected));
      std::ofstream("differs.jpg", std::ios::binary)
          .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
      std::exit(1);
    }
    ++(found == JpegOutcome::kDone ? counts.same : counts.refused);
  }
}

/// Changes bytes, cuts, or puts in a marker: mostly in the coded data.
void change(std::vector<std::uint8_t>& file, std::mt19937& random) {
  const auto from = random() % 4 == 0 ? 2 : file.size() / 3;
  const auto place = [&] { return from + random() % (file.size() - from); };
  switch (random() % 4) {
    case 0:
      file.resize(place());
      break;
    case 1: {
      const std::uint8_t marker[] = {0xFF,
                                     static_cast<std::uint8_t>(random() % 2 == 0 ? 0xD0 + random() % 8 : random())};
      file.insert(file.begin() + static_cast<std::ptrdiff_t>(place()), std::begin(marker), std::end(marker));
      break;
    }
    default:
      for (auto left = 1 + random() % 4; left > 0; --left)
        file[place()] ^= static_cast<std::uint8_t>(1U << random() % 8);
  }
}

}  // namespace

int main(int count, char** words) {
  std::mt19937 random(7);
  const int changes = std::atoi(words[1]);
  for (int i = 2; i < count; ++i) {
    std::ifstream stream(words[i], std::ios::binary);
    const std::vector<std::uint8_t> file{std::istreambuf_iterator<char>(stream), {}};
    Counts whole, changed;
    compare(file, random, words[i], whole);
    for (int j = 0; j < changes; ++j) {
      auto copy = file;
      change(copy, random);
      compare(copy, random, words[i], changed);
    }
    std::printf(
        "{\"same\":%d,\"left\":%d,\"refused\":%d,\"changed\":{\"same\":%d,\"left\":%d,\"refused\":%d,\"beyond\":%d}}"
        "\n",
        whole.same, whole.left, whole.refused, changed.same, changed.left, changed.refused, changed.beyond);
  }
}
