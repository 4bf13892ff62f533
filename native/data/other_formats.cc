#include "data/other_formats.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <vector>

#include "data/limits.h"
#include "data/orientation.h"
#include "data/threads.h"

namespace resnet_torch::data {

namespace {

// What is needed of libvips' C interface. Images and sources are opaque.
enum VipsFormat { kUchar = 0, kUshort = 2 };
enum VipsInterpretation { kMultiband = 0, kGrey = 1, kCmyk = 15, kRgb = 17, kSrgb = 22, kRgb16 = 25, kGrey16 = 26 };
constexpr int kSequential = 1;   // VIPS_ACCESS_SEQUENTIAL
constexpr int kFailOnError = 2;  // VIPS_FAIL_ON_ERROR: truncation and serious errors, not warnings
constexpr int kLogWarning = 1 << 4;

/// In the order of FileFormat, the unknown one left out.
constexpr const char* kLoaders[6] = {"vips_jpegload_source", "vips_pngload_source",  "vips_webpload_source",
                                     "vips_gifload_source",  "vips_tiffload_source", "vips_heifload_source"};

struct Vips {
  int (*init)(const char*);
  void* (*sourceFromFile)(const char*);
  void* (*sourceFromMemory)(const void*, std::size_t);
  int (*load[6])(void*, void**, ...);  // by kLoaders
  int (*width)(const void*);
  int (*height)(const void*);
  int (*bands)(const void*);
  int (*format)(const void*);
  int (*coding)(const void*);
  int (*interpretation)(const void*);
  int (*orientation)(void*);
  void* (*regionNew)(void*);
  void* (*regionFetch)(void*, int, int, int, int, std::size_t*);
  int (*colourspace)(void*, void**, int, ...);
  int (*cast)(void*, void**, int, ...);
  char* (*takeErrors)();
  void (*threadShutdown)();
  void (*setCacheSize)(int);
  unsigned (*logHandler)(const char*, int, void (*)(const char*, int, const char*, void*), void*);
  void (*unref)(void*);
  void (*release)(void*);
};

struct Library {
  std::mutex mutex;
  std::string path;
  bool tried = false, usable = false;
  std::string problem;
  Vips vips{};
};

/// Never destroyed: threads may still use it while the process exits.
Library& library() {
  static auto* instance = new Library;
  return *instance;
}

void openLibrary(Library& library) {
  if (library.path.empty()) {
    library.problem = "libvips, which reads it, was not found: install sharp with its optional dependencies";
    return;
  }
  void* handle = dlopen(library.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    library.problem = std::string("libvips did not load: ") + dlerror();
    return;
  }
  auto& vips = library.vips;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
    if (!function) library.problem = library.path + " has no " + name;
  };
  find(vips.init, "vips_init");
  find(vips.sourceFromFile, "vips_source_new_from_file");
  find(vips.sourceFromMemory, "vips_source_new_from_memory");
  for (int i = 0; i < 6; ++i) find(vips.load[i], kLoaders[i]);
  find(vips.width, "vips_image_get_width");
  find(vips.height, "vips_image_get_height");
  find(vips.bands, "vips_image_get_bands");
  find(vips.format, "vips_image_get_format");
  find(vips.coding, "vips_image_get_coding");
  find(vips.interpretation, "vips_image_get_interpretation");
  find(vips.orientation, "vips_image_get_orientation");
  find(vips.regionNew, "vips_region_new");
  find(vips.regionFetch, "vips_region_fetch");
  find(vips.colourspace, "vips_colourspace");
  find(vips.cast, "vips_cast");
  find(vips.takeErrors, "vips_error_buffer_copy");
  find(vips.threadShutdown, "vips_thread_shutdown");
  find(vips.setCacheSize, "vips_cache_set_max");
  find(vips.logHandler, "g_log_set_handler");
  find(vips.unref, "g_object_unref");
  find(vips.release, "g_free");
  if (!library.problem.empty()) return;
  if (vips.init("resnet-torch") != 0) {
    library.problem = "libvips did not start";
    return;
  }
  // Cached operations would keep decoded images, and no image is opened twice in a row. There is one cache a process:
  // a program that uses sharp as well can give it its size back with sharp.cache().
  vips.setCacheSize(0);
  // Its warnings would go to the standard error of the program that uses us.
  vips.logHandler("VIPS", kLogWarning, [](const char*, int, const char*, void*) {}, nullptr);
  library.usable = true;
  stopThreadsAtExit();  // again, so that our threads are gone before libvips' own clean-up at exit
}

const Vips& vips() {
  auto& shared = library();
  std::lock_guard lock(shared.mutex);
  if (!shared.tried) {
    shared.tried = true;
    openLibrary(shared);
  }
  if (!shared.usable) throw std::runtime_error(shared.problem);
  return shared.vips;
}

/// The first line of libvips' error buffer, which is then empty. One buffer serves all threads.
[[noreturn]] void fail(const Vips& vips) {
  char* buffer = vips.takeErrors();
  std::string message = buffer ? buffer : "";
  vips.release(buffer);
  if (message.find("out of memory") != message.npos) throw std::bad_alloc();
  message.erase(std::min(message.find('\n'), message.size()));
  throw std::runtime_error(message.empty() ? "libvips cannot read it" : message);
}

/// A GObject that is let go of at the end.
class Held {
 public:
  Held(const Vips& vips, void* object) : vips_(vips), object_(object) {}
  ~Held() {
    if (object_) vips_.unref(object_);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  void* get() const { return object_; }

 private:
  const Vips& vips_;
  void* object_;
};

/// Bytes of a sample of VipsBandFormat.
int sampleSize(int format) {
  static constexpr int sizes[] = {1, 1, 2, 2, 4, 4, 4, 8, 8, 16};
  return format >= 0 && format < 10 ? sizes[format] : 16;
}

/// Whether samples can be taken as they are.
bool isPlain(const Vips& vips, const void* image) {
  const int format = vips.format(image), interpretation = vips.interpretation(image);
  if (vips.coding(image) != 0 || (format != kUchar && format != kUshort)) return false;
  return interpretation == kMultiband || interpretation == kGrey || interpretation == kCmyk ||
         interpretation == kRgb || interpretation == kSrgb || interpretation == kRgb16 || interpretation == kGrey16;
}

/// Pillow's cmyk2rgb.
std::uint8_t cmykToRgb(unsigned ink, unsigned black) {
  const unsigned white = 255 - black;
  const unsigned product = ink * white + 128;
  return static_cast<std::uint8_t>(white - std::min(white, (product + (product >> 8)) >> 8));
}

/// Samples of any number of bands to pixels of kPixelBytes.
template <class Sample>
void toPixels(const Sample* from, std::size_t pixels, int bands, bool cmyk, std::uint8_t* to) {
  constexpr int kShift = (sizeof(Sample) - 1) * 8;
  const auto byte = [&](int band) { return static_cast<std::uint8_t>(from[band] >> kShift); };
  for (std::size_t i = 0; i < pixels; ++i, from += bands, to += kPixelBytes) {
    if (cmyk) {
      for (int c = 0; c < 3; ++c) to[c] = cmykToRgb(byte(c), byte(3));
    } else {
      for (int c = 0; c < 3; ++c) to[c] = byte(bands < 3 ? 0 : c);
    }
  }
}

}  // namespace

void setVipsLibrary(const std::string& path) {
  auto& shared = library();
  std::lock_guard lock(shared.mutex);
  if (shared.path.empty() && !shared.tried) shared.path = path;
}

VipsImage::VipsImage(Bytes file, FileFormat format) : format_(format) {
  const auto& vips = data::vips();
  const Held source(vips, vips.sourceFromMemory(file.data(), file.size()));
  open(source.get());
}

VipsImage::VipsImage(const std::string& path, FileFormat format) : format_(format) {
  const auto& vips = data::vips();
  const Held source(vips, vips.sourceFromFile(path.c_str()));
  open(source.get());
}

void VipsImage::open(void* source) {
  const auto& vips = data::vips();
  if (!source || format_ == FileFormat::kUnknown) fail(vips);
  const auto load = vips.load[static_cast<int>(format_) - 1];
  if (load(source, &image_, "access", kSequential, "fail_on", kFailOnError, nullptr) != 0) {
    if (image_) vips.unref(image_);
    fail(vips);
  }
  const int bands = vips.bands(image_);
  if (bands < 1 || bands > kMostBands) {
    vips.unref(image_);
    throw std::runtime_error("it has " + std::to_string(bands) + " bands, and at most " + std::to_string(kMostBands) +
                             " are read");
  }
  const int orientation = vips.orientation(image_);
  orientation_ = orientation >= 1 && orientation <= 8 ? orientation : 1;
}

VipsImage::~VipsImage() {
  data::vips().unref(image_);
}

ImageHeader VipsImage::header() const {
  const auto& vips = data::vips();
  ImageHeader header{vips.width(image_), vips.height(image_), nameOf(format_)};
  if (swapsSides(orientation_)) std::swap(header.width, header.height);
  return header;
}

std::int64_t VipsImage::sampleBytes() const {
  const auto& vips = data::vips();
  return static_cast<std::int64_t>(vips.width(image_)) * vips.height(image_) * vips.bands(image_) *
         sampleSize(vips.format(image_));
}

/// So many that they are some hundred thousand bytes.
int VipsImage::rowsAtOnce() const {
  const auto& vips = data::vips();
  constexpr std::int64_t kWanted = std::int64_t{1} << 19;
  const auto row = std::max<std::int64_t>(sampleBytes() / vips.height(image_), 1);
  return static_cast<int>(std::clamp<std::int64_t>(kWanted / row, 1, vips.height(image_)));
}

std::int64_t VipsImage::heldBytes(const Box& part) const {
  const auto& vips = data::vips();
  // libvips keeps some tens of rows between operations, of 4 bands of 4 bytes at most where it converts colours.
  constexpr std::int64_t kRows = 64;
  const auto row = static_cast<std::int64_t>(vips.width(image_)) * std::max(vips.bands(image_), 3) *
                   std::max(sampleSize(vips.format(image_)), isPlain(vips, image_) ? 1 : 4);
  const auto turned = orientation_ == 1 ? 0 : static_cast<std::int64_t>(part.width) * part.height * kPixelBytes;
  return row * kRows + turned;
}

void VipsImage::decode(RowSink& sink) {
  const auto& vips = data::vips();
  void* image = image_;
  void *srgb = nullptr, *bytes = nullptr;
  if (!isPlain(vips, image)) {
    if (vips.colourspace(image, &srgb, kSrgb, nullptr) != 0) fail(vips);
    image = srgb;
  }
  const Held heldSrgb(vips, srgb);
  if (srgb) {
    if (vips.cast(srgb, &bytes, kUchar, nullptr) != 0) fail(vips);
    image = bytes;
  }
  const Held heldBytes(vips, bytes);

  const int width = vips.width(image), height = vips.height(image), bands = vips.bands(image);
  const bool wide = vips.format(image) == kUshort;
  const bool cmyk = vips.interpretation(image) == kCmyk && bands >= 4;
  const Box box = storedBox(sink.source(), orientation_, width, height);
  const auto rowPixels = static_cast<std::size_t>(box.width);
  const bool turned = orientation_ != 1;
  // Evaluated here, some rows at a time, on this thread: the loader's workers are the parallelism.
  const Held region(vips, vips.regionNew(image));
  if (!region.get()) fail(vips);
  const int step = rowsAtOnce();
  std::vector<std::uint8_t> pixels(rowPixels * static_cast<std::size_t>(turned ? box.height : 1) * kPixelBytes);
  std::uint8_t* to = pixels.data();
  for (int y = 0; y < box.height; y += step) {
    const int rows = std::min(step, box.height - y);
    std::size_t size = 0;
    const std::unique_ptr<void, void (*)(void*)> samples(
        vips.regionFetch(region.get(), box.left, box.top + y, box.width, rows, &size), vips.release);
    if (!samples) fail(vips);
    for (int row = 0; row < rows; ++row) {
      const auto first = rowPixels * static_cast<std::size_t>(row) * static_cast<std::size_t>(bands);
      if (wide) {
        toPixels(static_cast<const std::uint16_t*>(samples.get()) + first, rowPixels, bands, cmyk, to);
      } else {
        toPixels(static_cast<const std::uint8_t*>(samples.get()) + first, rowPixels, bands, cmyk, to);
      }
      if (turned) {
        to += rowPixels * kPixelBytes;
      } else {
        sink.pushRow(to);
      }
    }
  }
  if (turned) pushDisplayed(pixels.data(), box.width, box.height, orientation_, sink);
}

void releaseVipsThread() {
  auto& shared = library();
  std::lock_guard lock(shared.mutex);
  if (shared.usable) shared.vips.threadShutdown();
}

}  // namespace resnet_torch::data
