#include "data/image.h"

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include "core/errors.h"
#include "data/container.h"
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

/// Files up to this size are read whole when they are decoded; larger ones of other formats than JPEG in parts.
constexpr std::size_t kDecodedWhole = std::size_t{64} << 20;

constexpr char kTruncated[] = "the JPEG is truncated: its end marker is missing";

/// Before a file is read whole.
void checkBytes(std::size_t bytes) {
  if (bytes > kMostBytes)
    throw std::runtime_error("its " + std::to_string(bytes) + " bytes are beyond the " + std::to_string(kMostBytes) +
                             " that are read");
}

/// Checked before they are touched.
ImageFacts rawFacts(std::size_t bytes, const RawShape& raw, std::int64_t mostPixels) {
  checkSize(raw.width, raw.height, mostPixels);
  if (bytes != raw.bytes())
    throw std::runtime_error("it has " + std::to_string(bytes) + " bytes, and " + std::to_string(raw.width) + "×" +
                             std::to_string(raw.height) + " pixels of " + std::to_string(raw.channels) +
                             " channels take " + std::to_string(raw.bytes()));
  return {raw.width, raw.height};
}

/// The size as displayed.
ImageHeader displayed(const JpegLayout& layout) {
  ImageHeader header{layout.width, layout.height, "jpeg"};
  if (swapsSides(layout.orientation)) std::swap(header.width, header.height);
  return header;
}

void checkJpegCost(Bytes file, const JpegLayout& layout, std::int64_t mostPixels) {
  checkSize(layout.width, layout.height, mostPixels);
  checkCost(layout.heldBytes(), 0, file.size());
}

JpegLayout wholeLayout(Bytes file, std::int64_t mostPixels) {
  const auto layout = readJpegLayout(file);
  if (layout.valid) checkJpegCost(file, layout, mostPixels);
  const auto scans = layout.valid ? countScans(file, layout) : std::nullopt;
  if (!scans) throw std::runtime_error(kTruncated);
  if (*scans > kMostScans)
    throw std::runtime_error("it has " + std::to_string(*scans) + " scans, and at most " +
                             std::to_string(kMostScans) + " are read");
  return layout;
}

ImageHeader scanJpeg(ImageBytes& file) {
  const auto end = file.read(file.size() - 2, 2);
  // No scan's data holds these two bytes, so at the end of the file they are an end marker.
  const bool ended = end.size() == 2 && end[0] == 0xFF && end[1] == 0xD9;
  const auto bytes = file.read(0, kScannedHead);
  const auto head = readJpegLayout(bytes);
  if (!ended || !head.valid || head.severalScans) return displayed(wholeLayout(file.readAll(), kMostPixels));
  checkJpegCost(bytes, head, kMostPixels);
  return displayed(head);
}

/// What can be known of an image of another format before it is decoded is within the limits.
void checkVipsCost(const VipsImage& image, const ContainerCost& cost, std::size_t fileBytes,
                   std::int64_t mostPixels) {
  const auto header = image.header();
  checkSize(header.width, header.height, mostPixels);
  const auto pixels = static_cast<std::int64_t>(header.width) * header.height;
  checkCost(cost.held + pixels * cost.heldPerPixel + image.heldBytes({}), image.sampleBytes(), fileBytes);
}

/// Of a file that is too large to be read whole: its size, its head and its end.
Hash128 sampledDigest(ImageBytes& file) {
  const auto hash = [&](std::size_t offset) {
    const auto part = file.read(offset, kScannedHead);
    return hash128(part.data(), part.size());
  };
  const Hash128 sampled[] = {{file.size(), 0}, hash(0), hash(file.size() - kScannedHead)};
  return hash128(sampled, sizeof(sampled));
}

ImageHeader scanHeader(const ImageSource& source, ScannedImage& scanned) {
  ImageBytes file(source);
  scanned.bytes = file.size();
  if (source.spooled) scanned.digest = source.spooled->digest;
  if (source.raw.channels > 0) {
    const auto facts = rawFacts(file.size(), source.raw, kMostPixels);
    return {facts.width, facts.height, "raw"};
  }
  const bool whole = !source.isFile() || file.size() <= kScannedWhole;
  if (!whole) scanned.digest = sampledDigest(file);
  const auto head = whole ? file.readAll() : file.read(0, kSignatureBytes);
  if (whole && !source.spooled) scanned.digest = hash128(head.data(), head.size());
  const auto format = formatOf(head);
  if (format == FileFormat::kUnknown) refuseUnknown(head.first(std::min(head.size(), kSignatureBytes)));
  if (format == FileFormat::kJpeg) {
    checkBytes(file.size());
    return whole ? displayed(wholeLayout(head, kMostPixels)) : scanJpeg(file);
  }
  if (whole) {
    ImageBytes memory(head);
    const auto cost = checkContainer(memory, format, kMostPixels);
    const VipsImage image(head, format);
    checkVipsCost(image, cost, head.size(), kMostPixels);
    return image.header();
  }
  const auto cost = checkContainer(file, format, kMostPixels);
  const VipsImage image(source.name, format);
  checkVipsCost(image, cost, file.size(), kMostPixels);
  return image.header();
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

/// Where a picture may be stored, or no cache.
struct Place {
  const std::string& path;
  FileStamp stamp;
  ImageCache* cache;
};

bool viewFromCache(const Place& place, const CropOptions& options, const Address& address, std::uint8_t* out) {
  if (options.kind == CropOptions::Kind::kCenter) {
    if (const auto view = place.cache->findView(place.path, place.stamp, options)) {
      view->write(flipOf(options, address), out);
      return true;
    }
  }
  const auto facts = place.cache->facts(place.path, place.stamp);
  if (!facts) return false;
  const ViewPlan plan(*facts, options, address);
  const auto image = place.cache->find(place.path, place.stamp, plan.reduction.factor);
  if (!image) return false;
  auto resizer = plan.resizer(*facts);
  image->push(resizer);
  resizer.finish(out);
  return true;
}

/// Decodes what the view needs; or all, to store it, where the view itself is not what is stored. A picture that
/// breaks where the view does not reach is not stored.
template <class Decode>
JpegOutcome makeView(const Place& place, const ImageFacts& facts, ViewPlan plan, const CropOptions& options,
                     std::uint8_t* out, const Decode& decode) {
  const int factor = plan.reduction.factor;
  if (place.cache && keepsView(options, facts.width, facts.height, factor) &&
      place.cache->hasRoom(StoredView::bytesFor(options.size))) {
    auto view = std::make_shared<StoredView>();
    view->size = options.size;
    view->resize = options.resize;
    view->pixels.resize(StoredView::bytesFor(options.size));
    const bool flip = std::exchange(plan.view.flip, false);
    auto resizer = plan.resizer(facts);
    const auto outcome = decode(resizer);
    if (outcome != JpegOutcome::kDone) return outcome;
    resizer.finish(view->pixels.data());
    view->write(flip, out);
    place.cache->keep(place.path, place.stamp, facts, std::move(view));
    return outcome;
  }
  const int width = reducedLength(facts.width, factor), height = reducedLength(facts.height, factor);
  if (place.cache && place.cache->hasRoom(StoredImage::bytesFor(width, height))) {
    ImageRecorder recorder(width, height);
    if (decode(recorder) == JpegOutcome::kDone) {
      const auto image = std::make_shared<const StoredImage>(recorder.take());
      place.cache->keep(place.path, place.stamp, facts, factor, image);
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

void decodeVips(VipsImage& image, const ContainerCost& cost, std::size_t fileBytes, const Place& place,
                const CropOptions& options, const Address& address, std::uint8_t* out, std::int64_t mostPixels) {
  checkVipsCost(image, cost, fileBytes, mostPixels);
  const auto size = image.header();
  const auto pixels = static_cast<std::int64_t>(size.width) * size.height;
  const ImageFacts facts{size.width, size.height};
  makeView(place, facts, ViewPlan(facts, options, address), options, out, [&](RowSink& sink) {
    checkCost(cost.held + pixels * cost.heldPerPixel + image.heldBytes(sink.source()), 0, fileBytes);
    image.decode(sink);
    return JpegOutcome::kDone;
  });
}

/// False where libjpeg does not turn it into RGB; `message` may say why.
bool decodePlainJpeg(Bytes bytes, const JpegLayout& layout, const Place& place, const CropOptions& options,
                     const Address& address, std::uint8_t* out, std::string& message) {
  if (!isPlainJpeg(layout)) return false;
  const auto size = displayed(layout);
  const ImageFacts facts{size.width, size.height, layout.orientation, true};
  const ViewPlan plan(facts, options, address);
  const auto decodeBy = [&](Entropy entropy) {
    return makeView(place, facts, plan, options, out, [&](RowSink& sink) {
      return decodeJpeg(bytes, layout, plan.reduction.factor, entropy, sink, message);
    });
  };
  auto outcome = decodeBy(Entropy::kOurs);
  if (outcome == JpegOutcome::kOdd) outcome = decodeBy(Entropy::kLibjpeg);
  if (outcome == JpegOutcome::kBroken) throw std::runtime_error(message);
  return outcome == JpegOutcome::kDone;
}

void decodeBytes(Bytes bytes, const Place& place, const CropOptions& options, const Address& address,
                 std::uint8_t* out, std::int64_t mostPixels) {
  const auto format = formatOf(bytes);
  if (format == FileFormat::kUnknown) refuseUnknown(bytes.first(std::min(bytes.size(), kSignatureBytes)));
  ImageBytes memory(bytes);
  if (format != FileFormat::kJpeg) {
    const auto cost = checkContainer(memory, format, mostPixels);
    VipsImage image(bytes, format);
    return decodeVips(image, cost, bytes.size(), place, options, address, out, mostPixels);
  }
  const auto layout = wholeLayout(bytes, mostPixels);
  std::string message;
  if (decodePlainJpeg(bytes, layout, place, options, address, out, message)) return;
  try {
    VipsImage image(bytes, format);
    decodeVips(image, {layout.heldBytes(), 0}, bytes.size(), place, options, address, out, mostPixels);
  } catch (const TooManyPixels&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(message.empty() ? error.what() : message + "; " + error.what());
  }
}

/// Where a large file was not decoded since the disk failed, that is told: libvips does not know the difference.
void requireReadable(ImageBytes& file) {
  constexpr std::size_t kPart = std::size_t{1} << 20;
  for (std::size_t at = 0; at < file.size(); at += kPart) file.read(at, kPart);
}

/// Files that are too large to lie in memory beside their pixels.
void decodeLarge(ImageBytes& file, const ImageSource& source, const Place& place, const CropOptions& options,
                 const Address& address, std::uint8_t* out, std::int64_t mostPixels) {
  const auto head = file.read(0, kSignatureBytes);
  const auto format = formatOf(head);
  if (format == FileFormat::kUnknown) refuseUnknown(head);
  if (format == FileFormat::kJpeg || !source.isFile()) {
    checkBytes(file.size());
    return decodeBytes(file.readAll(), place, options, address, out, mostPixels);
  }
  const auto cost = checkContainer(file, format, mostPixels);
  try {
    VipsImage image(source.name, format);
    decodeVips(image, cost, file.size(), place, options, address, out, mostPixels);
  } catch (const TooManyPixels&) {
    throw;
  } catch (const std::runtime_error&) {
    requireReadable(file);
    throw;
  }
}

}  // namespace

void decodeView(const ImageSource& source, const CropOptions& options, const Address& address, std::uint8_t* out,
                ImageCache* cache, std::int64_t mostPixels) {
  const Place place{source.name, cache ? stampOf(source) : FileStamp{}, cache};
  if (cache && viewFromCache(place, options, address, out)) return;
  ImageBytes file(source);
  if (source.raw.channels > 0) {
    const auto facts = rawFacts(file.size(), source.raw, mostPixels);
    const auto bytes = file.readAll();
    makeView(place, facts, ViewPlan(facts, options, address), options, out, [&](RowSink& sink) {
      if (bytes.size() != source.raw.bytes()) throw std::runtime_error("it became shorter while it was read");
      pushRaw(bytes, source.raw, sink);
      return JpegOutcome::kDone;
    });
    return;
  }
  if (file.size() > kDecodedWhole) return decodeLarge(file, source, place, options, address, out, mostPixels);
  decodeBytes(file.readAll(), place, options, address, out, mostPixels);
}

ScannedImage scanImage(const ImageSource& source) {
  ScannedImage scanned;
  try {
    const auto header = scanHeader(source, scanned);
    scanned.ok = true;
    scanned.width = header.width;
    scanned.height = header.height;
    scanned.format = header.format;
  } catch (const Error&) {
    throw;  // the system's failure, not the file's
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    scanned.message = error.what();
  }
  return scanned;
}

}  // namespace resnet_torch::data
