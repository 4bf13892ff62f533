#include <cstring>

#include "data/byte_window.h"
#include "data/container.h"
#include "data/limits.h"

namespace resnet_torch::data {

namespace {

/// A box of an ISO media file: what it holds lies in [body, end).
struct MediaBox {
  std::uint64_t body, end;
  char name[4];

  bool is(const char* other) const { return std::memcmp(name, other, 4) == 0; }
};

MediaBox boxAt(ByteWindow& window, std::uint64_t at, std::uint64_t end) {
  MediaBox box{};
  auto length = window.number(at, 4);
  std::memcpy(box.name, window.at(at + 4, 4).data(), 4);
  box.body = at + 8;
  if (length == 1) {
    length = window.number(box.body, 8);
    box.body += 8;
  } else if (length == 0) {
    length = end - at;  // to the end
  }
  if (length < box.body - at || length > end - at) window.fail();
  box.end = at + length;
  return box;
}

/// Calls for each box of [at, end).
template <class Visit>
void eachBox(ByteWindow& window, std::uint64_t at, std::uint64_t end, const Visit& visit) {
  while (at < end) {
    const auto box = boxAt(window, at, end);
    visit(box);
    at = box.end;
  }
}

/// That the parts of all items lie within the file.
void checkLocations(ByteWindow& window, const MediaBox& box) {
  const auto version = window.number(box.body, 1);
  auto at = box.body + 4;
  const auto sizes = window.number(at, 2);
  const int offsetBytes = static_cast<int>(sizes >> 12), lengthBytes = static_cast<int>(sizes >> 8 & 15);
  const int baseBytes = static_cast<int>(sizes >> 4 & 15),
            indexBytes = version > 0 ? static_cast<int>(sizes & 15) : 0;
  if (offsetBytes > 8 || lengthBytes > 8 || baseBytes > 8 || indexBytes > 8) window.fail();
  at += 2;
  const auto items = window.number(at, version < 2 ? 2 : 4);
  at += version < 2 ? 2 : 4;
  for (std::uint64_t item = 0; item < items; ++item) {
    at += version < 2 ? 2 : 4;
    const auto method = version > 0 ? window.number(at, 2) & 15 : 0;
    at += version > 0 ? 4 : 2;
    const auto base = window.number(at, baseBytes);
    at += static_cast<std::uint64_t>(baseBytes);
    const auto extents = window.number(at, 2);
    at += 2;
    for (std::uint64_t extent = 0; extent < extents; ++extent) {
      at += static_cast<std::uint64_t>(indexBytes);
      const auto offset = window.number(at, offsetBytes);
      at += static_cast<std::uint64_t>(offsetBytes);
      const auto length = window.number(at, lengthBytes);
      at += static_cast<std::uint64_t>(lengthBytes);
      if (method != 0) continue;
      if (base > window.size()) window.fail();
      window.requireTo(base + offset, length);
    }
    if (at > box.end) window.fail();
  }
}

}  // namespace

ContainerCost checkAvif(ImageBytes& file, std::int64_t mostPixels) {
  constexpr std::uint64_t kFullBox = 4;
  ByteWindow window(file, "AVIF", true);
  eachBox(window, 0, window.size(), [&](const MediaBox& top) {
    if (!top.is("meta")) return;
    eachBox(window, top.body + kFullBox, top.end, [&](const MediaBox& box) {
      if (box.is("iloc")) checkLocations(window, box);
      if (!box.is("iprp")) return;
      eachBox(window, box.body, box.end, [&](const MediaBox& list) {
        if (!list.is("ipco")) return;
        eachBox(window, list.body, list.end, [&](const MediaBox& property) {
          if (!property.is("ispe")) return;
          checkSize(static_cast<std::int64_t>(window.number(property.body + 4, 4)),
                    static_cast<std::int64_t>(window.number(property.body + 8, 4)), mostPixels);
        });
      });
    });
  });
  return {0, 16};  // measured: planes of several frames, their borders, and colours
}

}  // namespace resnet_torch::data
