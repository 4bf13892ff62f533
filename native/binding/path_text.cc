#include "binding/path_text.h"

#include <cstddef>
#include <cstdint>

#include "binding/arguments.h"

namespace resnet_torch::binding {

namespace {

constexpr char32_t kEscape = 0xdc00;

bool isEscaped(char16_t unit) {
  return unit >= kEscape + 0x80 && unit <= kEscape + 0xff;
}

bool isHigh(char16_t unit) {
  return unit >= 0xd800 && unit < 0xdc00;
}

bool isLow(char16_t unit) {
  return unit >= 0xdc00 && unit < 0xe000;
}

void appendUtf8(std::string& bytes, char32_t point) {
  const auto tail = [&](int shift) { bytes += static_cast<char>(0x80 | ((point >> shift) & 0x3f)); };
  if (point < 0x80) {
    bytes += static_cast<char>(point);
  } else if (point < 0x800) {
    bytes += static_cast<char>(0xc0 | (point >> 6));
    tail(0);
  } else if (point < 0x10000) {
    bytes += static_cast<char>(0xe0 | (point >> 12));
    tail(6);
    tail(0);
  } else {
    bytes += static_cast<char>(0xf0 | (point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string fromUnits(const std::u16string& units) {
  std::string bytes;
  for (std::size_t i = 0; i < units.size(); ++i) {
    const char16_t unit = units[i];
    if (isHigh(unit) && i + 1 < units.size() && isLow(units[i + 1])) {
      appendUtf8(bytes, 0x10000 + ((unit - 0xd800U) << 10) + (units[++i] - 0xdc00U));
    } else if (isEscaped(unit)) {
      bytes += static_cast<char>(unit - kEscape);
    } else {
      appendUtf8(bytes, isHigh(unit) || isLow(unit) ? 0xfffd : unit);
    }
  }
  return bytes;
}

/// Bytes of the UTF-8 character at a position, and what it is; 0 bytes where there is none.
struct Character {
  std::size_t length = 0;
  char32_t point = 0;
};

Character characterAt(const std::string& bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  const std::uint8_t first = byte(at);
  if (first < 0x80) return {1, first};
  const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (first < 0xc2 || first > 0xf4 || at + length > bytes.size()) return {};
  char32_t point = first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return {};
    point = (point << 6) | (byte(at + i) & 0x3fU);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool isSurrogate = point >= 0xd800 && point < 0xe000;
  if (point < kLeast[length] || point > 0x10ffff || isSurrogate) return {};
  return {length, point};
}

bool isUtf8(const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto length = characterAt(bytes, at).length;
    if (length == 0) return false;
    at += length;
  }
  return true;
}

}  // namespace

std::string toPath(const Napi::Value& value, const std::string& name) {
  auto bytes = toText(value, name);
  // What stands for a byte comes as U+FFFD, which a name may hold as well.
  if (bytes.find("\xef\xbf\xbd") == std::string::npos) return bytes;
  return fromUnits(value.As<Napi::String>().Utf16Value());
}

std::vector<std::string> toPaths(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) invalid(name, "an array of strings");
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> paths;
  paths.reserve(array.Length());
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    Napi::HandleScope scope(value.Env());
    paths.push_back(toPath(array.Get(i), name));
  }
  return paths;
}

Napi::Value pathText(Napi::Env env, const std::string& bytes) {
  if (isUtf8(bytes)) return Napi::String::New(env, bytes);
  std::u16string units;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto [length, point] = characterAt(bytes, at);
    if (length == 0) {
      units += static_cast<char16_t>(kEscape + static_cast<std::uint8_t>(bytes[at++]));
      continue;
    }
    if (point < 0x10000) {
      units += static_cast<char16_t>(point);
    } else {
      units += static_cast<char16_t>(0xd800 + ((point - 0x10000) >> 10));
      units += static_cast<char16_t>(0xdc00 + ((point - 0x10000) & 0x3ff));
    }
    at += length;
  }
  return Napi::String::New(env, units);
}

}  // namespace resnet_torch::binding
