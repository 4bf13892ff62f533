#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace resnet_torch::data {

/// Fields one after the other, as bytes that are hashed or compared.
class FieldBytes {
 public:
  template <class Value>
  void add(Value value) {
    static_assert(std::is_arithmetic_v<Value>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void add(const std::string& text) {
    add(static_cast<std::uint64_t>(text.size()));
    bytes_ += text;
  }
  /// Bytes that need no length: they stand last, or say where they end.
  void append(std::string_view bytes) { bytes_ += bytes; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace resnet_torch::data
