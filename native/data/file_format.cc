#include "data/file_format.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace resnet_torch::data {

namespace {

using std::string_view_literals::operator""sv;

std::string_view textOf(Bytes head) {
  return {reinterpret_cast<const char*>(head.data()), head.size()};
}

/// Whether an ISO media file names one of these brands.
bool hasBrand(std::string_view head, std::initializer_list<std::string_view> brands) {
  if (head.size() < 16 || head.substr(4, 4) != "ftyp") return false;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(head[at]); };
  const auto length = static_cast<std::size_t>(byte(0)) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
  const auto end = std::min(head.size(), length);
  for (std::size_t at = 8; at + 4 <= end; at += 4) {
    const bool isVersion = at == 12;
    if (!isVersion && std::find(brands.begin(), brands.end(), head.substr(at, 4)) != brands.end()) return true;
  }
  return false;
}

/// What is often called an image, and is not read.
std::string strangerName(std::string_view head) {
  static constexpr struct {
    std::string_view begins, name;
  } known[] = {
      {"%PDF"sv, "a PDF"},
      {"BM"sv, "a BMP"},
      {"8BPS"sv, "a PSD"},
      {"\xFF\x0A"sv, "a JPEG XL"},
      {"\0\0\0\x0CJXL "sv, "a JPEG XL"},
      {"\0\0\0\x0CjP"sv, "a JPEG 2000"},
      {"\0\0\1\0"sv, "an ICO"},
      {"PK\3\4"sv, "a zip archive"},
      {"\x1F\x8B"sv, "a gzip file"},
      {"version https://git-lfs"sv, "a pointer of Git LFS in the place of a file"},
  };
  for (const auto& [begins, name] : known)
    if (head.starts_with(begins)) return std::string(name);
  if (hasBrand(head, {"heic"sv, "heix"sv, "heim"sv, "heis"sv, "hevc"sv, "hevx"sv, "mif1"sv, "msf1"sv}))
    return "a HEIC";
  if (head.find("<svg"sv) != head.npos) return "an SVG";
  if (head.find("<html"sv) != head.npos || head.find("<!DOCTYPE html"sv) != head.npos ||
      head.find("<!doctype html"sv) != head.npos)
    return "a web page";
  return "";
}

}  // namespace

FileFormat formatOf(Bytes file) {
  const auto head = textOf(file);
  if (looksLikeJpeg(file)) return FileFormat::kJpeg;
  if (head.starts_with("\x89PNG\r\n\x1A\n"sv)) return FileFormat::kPng;
  if (head.starts_with("RIFF"sv) && head.substr(0, 12).ends_with("WEBP"sv)) return FileFormat::kWebp;
  if (head.starts_with("GIF87a"sv) || head.starts_with("GIF89a"sv)) return FileFormat::kGif;
  for (const auto tiff : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv})
    if (head.starts_with(tiff)) return FileFormat::kTiff;
  if (hasBrand(head, {"avif"sv, "avis"sv})) return FileFormat::kAvif;
  return FileFormat::kUnknown;
}

const char* nameOf(FileFormat format) {
  static constexpr const char* names[] = {"", "jpeg", "png", "webp", "gif", "tiff", "heif"};
  return names[static_cast<int>(format)];
}

void refuseUnknown(Bytes head) {
  const auto name = strangerName(textOf(head));
  throw std::runtime_error(name.empty() ? "it is not an image of a format that is read"
                                        : "it is " + name + ", whatever its name, and no format that is read");
}

}  // namespace resnet_torch::data
