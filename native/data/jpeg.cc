#include "data/jpeg.h"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <new>

// Needs <cstdio> before it.
#include <jerror.h>
#include <jpeglib.h>

#include "data/entropy_decoder.h"
#include "data/orientation.h"
#include "data/progressive_decoder.h"
#include "data/uninitialised.h"

#ifndef JCS_EXTENSIONS
#error "libjpeg-turbo is needed: this is another libjpeg"
#endif

namespace resnet_torch::data {

namespace {

/// Columns decoded beyond the window, so that smooth chroma upsampling at its edges sees the same neighbours as in a
/// whole decode.
constexpr JDIMENSION kMargin = 2;

/// What libjpeg may take besides the coefficients of a picture that comes in several scans: some rows, and tables.
constexpr std::int64_t kOwnMemory = std::int64_t{64} << 20;

struct Errors {
  jpeg_error_mgr base;  // first, so that libjpeg's pointer is ours
  std::jmp_buf escape;
  bool truncated;
  bool noMemory;
  char message[JMSG_LENGTH_MAX];
};

void onError(j_common_ptr info) {
  auto* errors = reinterpret_cast<Errors*>(info->err);
  errors->base.format_message(info, errors->message);
  errors->noMemory = errors->base.msg_code == JERR_OUT_OF_MEMORY;
  std::longjmp(errors->escape, 1);
}

/// libjpeg fills what a truncated file lacks with grey and only warns.
void onMessage(j_common_ptr info, int level) {
  auto* errors = reinterpret_cast<Errors*>(info->err);
  const int code = errors->base.msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER)) errors->truncated = true;
}

void onOutput(j_common_ptr) {}

/// The stored pixels that are asked for: either handed on row by row, or collected.
struct Window {
  Box box;
  int factor = 1;
  RowSink* rows = nullptr;
  std::uint8_t* collected = nullptr;  // [box.height, box.width, kPixelBytes]
};

struct Decoder {
  explicit Decoder(int width) {
    row.reserve(static_cast<std::size_t>(width) * kPixelBytes);
    info.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = onError;
    errors.base.emit_message = onMessage;
    errors.base.output_message = onOutput;
  }
  ~Decoder() { jpeg_destroy_decompress(&info); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  JpegOutcome run(Bytes file, const JpegLayout& layout, const Window& window, Entropy by);

  jpeg_decompress_struct info{};
  Errors errors{};
  EntropyDecoder entropy;
  ProgressiveDecoder progressive;
  Scratch row;
};

/// Holds no object with a destructor: libjpeg's errors jump back into it.
JpegOutcome Decoder::run(Bytes file, const JpegLayout& layout, const Window& window, Entropy by) {
  if (setjmp(errors.escape)) return JpegOutcome::kUnsupported;
  jpeg_create_decompress(&info);
  // The caller has looked at what it will take: a decoder that takes more is wrong about the picture.
  info.mem->max_memory_to_use = static_cast<long>(layout.heldBytes() + kOwnMemory);
  jpeg_mem_src(&info, file.data(), file.size());
  jpeg_read_header(&info, TRUE);
  if (static_cast<int>(info.image_width) != layout.width || static_cast<int>(info.image_height) != layout.height)
    return JpegOutcome::kUnsupported;
  info.out_color_space = JCS_EXT_RGBX;
  info.dct_method = JDCT_ISLOW;
  info.do_fancy_upsampling = TRUE;
  info.scale_num = 1;
  info.scale_denom = static_cast<unsigned>(window.factor);
  // A progressive one is read scan by scan, so that each can be taken.
  info.buffered_image = by == Entropy::kOurs && info.progressive_mode ? TRUE : FALSE;
  jpeg_start_decompress(&info);
  if (info.buffered_image) {
    progressive.attach(info, file);
    while (jpeg_consume_input(&info) != JPEG_REACHED_EOI)
      if (progressive.odd()) return JpegOutcome::kOdd;
    if (progressive.odd()) return JpegOutcome::kOdd;
    jpeg_start_output(&info, info.input_scan_number);
  } else if (by == Entropy::kOurs) {
    entropy.attach(info, file);
  }

  const auto left = static_cast<JDIMENSION>(window.box.left), width = static_cast<JDIMENSION>(window.box.width);
  JDIMENSION from = left > kMargin ? left - kMargin : 0;
  JDIMENSION columns = std::min(left + width + kMargin, info.output_width) - from;
  if (columns < info.output_width) jpeg_crop_scanline(&info, &from, &columns);  // moves `from` to a block's edge
  if (window.box.top > 0) jpeg_skip_scanlines(&info, static_cast<JDIMENSION>(window.box.top));
  const std::uint8_t* const pixels = row.data() + static_cast<std::size_t>(left - from) * kPixelBytes;
  for (int y = 0; y < window.box.height; ++y) {
    JSAMPROW rows[] = {row.data()};
    jpeg_read_scanlines(&info, rows, 1);
    if (entropy.odd()) return JpegOutcome::kOdd;
    if (errors.truncated) return JpegOutcome::kBroken;
    if (window.rows) {
      window.rows->pushRow(pixels);
    } else {
      std::memcpy(window.collected + static_cast<std::size_t>(y) * width * kPixelBytes, pixels, width * kPixelBytes);
    }
  }
  return JpegOutcome::kDone;
}

}  // namespace

bool isPlainJpeg(const JpegLayout& layout) {
  return layout.precision == 8 && (layout.components == 1 || layout.components == 3);
}

JpegOutcome decodeJpeg(Bytes file, const JpegLayout& layout, int factor, Entropy entropy, RowSink& sink,
                       std::string& message) {
  const int width = reducedLength(layout.width, factor), height = reducedLength(layout.height, factor);
  Decoder decoder(width);
  Window window;
  window.box = storedBox(sink.source(), layout.orientation, width, height);
  window.factor = factor;
  Scratch collected;
  if (layout.orientation == 1) {
    window.rows = &sink;
  } else {
    window.collected =
        collected.reserve(static_cast<std::size_t>(window.box.width) * window.box.height * kPixelBytes);
  }
  const auto outcome = decoder.run(file, layout, window, entropy);
  if (decoder.errors.noMemory) throw std::bad_alloc();
  if (outcome == JpegOutcome::kBroken) message = "the JPEG's data ends before the picture does";
  if (outcome == JpegOutcome::kUnsupported) message = decoder.errors.message;
  if (outcome == JpegOutcome::kDone && window.collected)
    pushDisplayed(collected.data(), window.box.width, window.box.height, layout.orientation, sink);
  return outcome;
}

}  // namespace resnet_torch::data
