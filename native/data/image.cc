#include "data/image.h"

#include <memory>
#include <stdexcept>
#include <utility>

#include "data/image_cache.h"
#include "data/jpeg.h"
#include "data/orientation.h"
#include "data/other_formats.h"
#include "data/raw_pixels.h"
#include "data/resize.h"

namespace resnet_torch::data {

namespace {

/// Files up to this size are read whole when they are scanned, of larger ones the head and the end.
constexpr std::size_t kScannedWhole = 512 * 1024;
constexpr std::size_t kScannedHead = 64 * 1024;

constexpr char kTruncated[] = "the JPEG is truncated: its end marker is missing";

void checkSize(int width, int height, std::int64_t most) {
  if (width < 1 || height < 1 || static_cast<std::int64_t>(width) * height > most)
    throw TooManyPixels("its size of " + std::to_string(width) + "×" + std::to_string(height) +
                        " pixels is beyond what is read");
}

/// Checked before they are touched.
ImageFacts rawFacts(Bytes pixels, const RawShape& raw, std::int64_t mostPixels) {
  checkSize(raw.width, raw.height, mostPixels);
  if (pixels.size() != raw.bytes())
    throw std::runtime_error("it has " + std::to_string(pixels.size()) + " bytes, and " + std::to_string(raw.width) +
                             "×" + std::to_string(raw.height) + " pixels of " + std::to_string(raw.channels) +
                             " channels take " + std::to_string(raw.bytes()));
  return {raw.width, raw.height};
}

/// The size as displayed.
ImageHeader displayed(const JpegLayout& layout) {
  ImageHeader header{layout.width, layout.height, "jpeg"};
  if (swapsSides(layout.orientation)) std::swap(header.width, header.height);
  return header;
}

JpegLayout wholeLayout(Bytes file, std::int64_t mostPixels) {
  const auto layout = readJpegLayout(file);
  if (layout.valid) checkSize(layout.width, layout.height, mostPixels);
  if (!layout.valid || !hasJpegEnd(file, layout)) throw std::runtime_error(kTruncated);
  return layout;
}

/// libvips' words where it does not know a file at all are no help to a person.
[[noreturn]] void failWith(const std::string& vipsMessage, const std::string& jpegMessage) {
  if (!jpegMessage.empty()) throw std::runtime_error(jpegMessage + "; " + vipsMessage);
  if (vipsMessage.find("known format") != std::string::npos)
    throw std::runtime_error("it is not an image of a format that is read");
  throw std::runtime_error(vipsMessage);
}

ImageHeader scanJpeg(ImageBytes& file, const JpegLayout& head) {
  const auto end = file.read(file.size() - 2, 2);
  // No scan's data holds these two bytes, so at the end of the file they are an end marker.
  if (head.valid && end.size() == 2 && end[0] == 0xFF && end[1] == 0xD9) {
    checkSize(head.width, head.height, kMostPixels);
    return displayed(head);
  }
  return displayed(wholeLayout(file.readAll(), kMostPixels));
}

ImageHeader scanHeader(const ImageSource& source) {
  ImageBytes file(source);
  if (source.raw.channels > 0) {
    const auto facts = rawFacts(file.readAll(), source.raw, kMostPixels);
    return {facts.width, facts.height, "raw"};
  }
  const bool whole = !source.isFile() || file.size() <= kScannedWhole;
  const auto head = whole ? file.readAll() : file.read(0, kScannedHead);
  if (looksLikeJpeg(head))
    return whole ? displayed(wholeLayout(head, kMostPixels)) : scanJpeg(file, readJpegLayout(head));
  try {
    const auto header = whole ? VipsImage(head).header() : VipsImage(source.name).header();
    checkSize(header.width, header.height, kMostPixels);
    return header;
  } catch (const TooManyPixels&) {
    throw;
  } catch (const std::runtime_error& error) {
    failWith(error.what(), "");
  }
}

/// A view of an image, and how small the image may be decoded for it.
struct ViewPlan {
  ViewPlan(const ImageFacts& facts, const CropOptions& options, const Address& address)
      : view(viewOf(options, facts.width, facts.height, address)) {
    if (!facts.reducible) return;
    const int factor = reductionFor(view);
    const auto reversed = reversedAxes(facts.orientation);
    // The grid of reduced pixels begins where the stored picture does.
    const auto lead = [&](int length) { return reducedLength(length, factor) * factor - length; };
    reduction = {factor, reversed.x ? lead(facts.width) : 0, reversed.y ? lead(facts.height) : 0};
  }

  ViewResizer resizer(const ImageFacts& facts) const {
    return ViewResizer(view, facts.width, facts.height, reduction);
  }

  View view;
  Reduction reduction;
};

bool viewFromCache(const ImageCache& cache, const std::string& path, const CropOptions& options,
                   const Address& address, std::uint8_t* out) {
  const auto facts = cache.facts(path);
  if (!facts) return false;
  const ViewPlan plan(*facts, options, address);
  const auto image = cache.find(path, plan.reduction.factor);
  if (!image) return false;
  auto resizer = plan.resizer(*facts);
  image->push(resizer);
  resizer.finish(out);
  return true;
}

/// Decodes what the view needs; or all, to store it. A picture that breaks where the view does not reach is not
/// stored.
template <class Decode>
JpegOutcome makeView(const std::string& path, const ImageFacts& facts, const ViewPlan& plan, ImageCache* cache,
                     std::uint8_t* out, const Decode& decode) {
  const int factor = plan.reduction.factor;
  const int width = reducedLength(facts.width, factor), height = reducedLength(facts.height, factor);
  if (cache && cache->hasRoom(StoredImage::bytesFor(width, height))) {
    ImageRecorder recorder(width, height);
    if (decode(recorder) == JpegOutcome::kDone) {
      const auto image = std::make_shared<const StoredImage>(recorder.take());
      cache->keep(path, facts, factor, image);
      auto resizer = plan.resizer(facts);
      image->push(resizer);
      resizer.finish(out);
      return JpegOutcome::kDone;
    }
  }
  auto resizer = plan.resizer(facts);
  const auto outcome = decode(resizer);
  if (outcome == JpegOutcome::kDone) resizer.finish(out);
  return outcome;
}

}  // namespace

void decodeView(const ImageSource& source, const CropOptions& options, const Address& address, std::uint8_t* out,
                ImageCache* cache, std::int64_t mostPixels) {
  const auto& name = source.name;
  if (cache && viewFromCache(*cache, name, options, address, out)) return;
  ImageBytes file(source);
  const auto bytes = file.readAll();
  if (source.raw.channels > 0) {
    const auto facts = rawFacts(bytes, source.raw, mostPixels);
    makeView(name, facts, ViewPlan(facts, options, address), cache, out, [&](RowSink& sink) {
      pushRaw(bytes, source.raw, sink);
      return JpegOutcome::kDone;
    });
    return;
  }
  std::string jpegMessage;
  if (looksLikeJpeg(bytes)) {
    const auto layout = wholeLayout(bytes, mostPixels);
    if (isPlainJpeg(layout)) {
      const auto size = displayed(layout);
      const ImageFacts facts{size.width, size.height, layout.orientation, true};
      const ViewPlan plan(facts, options, address);
      const auto outcome = makeView(name, facts, plan, cache, out, [&](RowSink& sink) {
        return decodeJpeg(bytes, layout, plan.reduction.factor, sink, jpegMessage);
      });
      if (outcome == JpegOutcome::kDone) return;
      if (outcome == JpegOutcome::kBroken) throw std::runtime_error(jpegMessage);
    }
  }
  try {
    VipsImage image(bytes);
    const auto size = image.header();
    checkSize(size.width, size.height, mostPixels);
    const ImageFacts facts{size.width, size.height};
    makeView(name, facts, ViewPlan(facts, options, address), cache, out, [&](RowSink& sink) {
      image.decode(sink);
      return JpegOutcome::kDone;
    });
  } catch (const TooManyPixels&) {
    throw;
  } catch (const std::runtime_error& error) {
    failWith(error.what(), jpegMessage);
  }
}

ScannedImage scanImage(const ImageSource& source) {
  ScannedImage scanned;
  try {
    const auto header = scanHeader(source);
    scanned.ok = true;
    scanned.width = header.width;
    scanned.height = header.height;
    scanned.format = header.format;
  } catch (const std::exception& error) {
    scanned.message = error.what();
  }
  return scanned;
}

}  // namespace resnet_torch::data
