#include "model/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <sstream>

#include "core/errors.h"

namespace resnet_torch::model {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

namespace {

std::string quoted(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (byte < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      json += "\\u00";
      json += kHex[byte >> 4];
      json += kHex[byte & 15];
    } else {
      json += c;
    }
  }
  return json + '"';
}

const char* storedName(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return "F64";
    case at::kFloat:
      return "F32";
    case at::kHalf:
      return "F16";
    case at::kLong:
      return "I64";
    default:
      throw Error("ERR_INTERNAL", std::string("tensors of dtype ") + at::toString(type) + " are not stored");
  }
}

at::ScalarType scalarType(const StoredTensor& tensor) {
  static const std::map<std::string, at::ScalarType> types = {
      {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}, {"I64", at::kLong},
      {"I32", at::kInt},    {"I16", at::kShort}, {"I8", at::kChar},  {"U8", at::kByte},       {"BOOL", at::kBool}};
  const auto found = types.find(tensor.dtype);
  if (found == types.end())
    throw Error("ERR_WEIGHTS_FORMAT", tensor.name + " has the dtype " + tensor.dtype + ", which is not read");
  return found->second;
}

/// Elements from the first to behind the last.
std::int64_t spanOf(const StoredTensor& stored) {
  std::int64_t elements = 1, span = 1;
  for (std::size_t axis = 0; axis < stored.shape.size(); ++axis) {
    elements *= stored.shape[axis];
    if (!stored.strides.empty()) span += (stored.shape[axis] - 1) * stored.strides[axis];
  }
  return stored.strides.empty() || elements == 0 ? elements : span;
}

}  // namespace

AtomicFile stageSafetensors(const std::string& path, const std::vector<TensorToStore>& tensors,
                            const std::map<std::string, std::string>& metadata) {
  std::ostringstream json;
  json << "{\"__metadata__\":{";
  const char* separator = "";
  for (const auto& [key, value] : metadata) {
    json << separator << quoted(key) << ':' << quoted(value);
    separator = ",";
  }
  json << '}';
  std::size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    json << ',' << quoted(name) << ":{\"dtype\":\"" << storedName(tensor.scalar_type()) << "\",\"shape\":[";
    separator = "";
    for (const auto size : tensor.sizes()) {
      json << separator << size;
      separator = ",";
    }
    json << "],\"data_offsets\":[" << offset << ',' << offset + tensor.nbytes() << "]}";
    offset += tensor.nbytes();
  }
  json << '}';
  std::string header = json.str();
  header.resize((header.size() + 7) / 8 * 8, ' ');

  AtomicFile file(path);
  const std::uint64_t headerSize = header.size();
  file.write(&headerSize, sizeof headerSize);
  file.write(header.data(), header.size());
  for (const auto& entry : tensors) {
    const auto contiguous = entry.tensor.detach().cpu().contiguous();
    file.write(contiguous.const_data_ptr(), contiguous.nbytes());
  }
  return file;
}

void writeSafetensors(const std::string& path, const std::vector<TensorToStore>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  stageSafetensors(path, tensors, metadata).commit();
}

bool fitsInto(at::IntArrayRef sizes, const StoredTensor& stored) {
  if (stored.rows.empty()) return sizes == at::IntArrayRef(stored.shape);
  if (sizes.empty() || stored.shape.empty() || sizes.slice(1) != at::IntArrayRef(stored.shape).slice(1)) return false;
  const auto held = stored.shape[0];
  return sizes[0] == static_cast<std::int64_t>(stored.rows.size()) &&
         std::all_of(stored.rows.begin(), stored.rows.end(), [&](auto row) { return row >= -1 && row < held; });
}

void copyStored(const at::Tensor& into, const StoredTensor& stored, const at::Tensor& read) {
  if (stored.rows.empty()) {
    into.copy_(read);
    return;
  }
  for (std::size_t row = 0; row < stored.rows.size(); ++row)
    if (stored.rows[row] >= 0) into.select(0, static_cast<std::int64_t>(row)).copy_(read.select(0, stored.rows[row]));
}

void readStored(const std::string& path, const std::vector<StoredTensor>& tensors,
                const std::function<void(const StoredTensor&, const at::Tensor&)>& take) {
  const MappedFile file(path);
  for (const auto& stored : tensors) {
    const auto type = scalarType(stored);
    if (!stored.strides.empty() && stored.strides.size() != stored.shape.size())
      throw Error("ERR_WEIGHTS_FORMAT", path + ": " + stored.name + " has another number of strides than of sides");
    const auto elements = spanOf(stored);
    const auto* bytes = file.at(stored.offset, stored.length);
    if (static_cast<std::size_t>(elements) * c10::elementSize(type) != stored.length)
      throw Error("ERR_WEIGHTS_FORMAT", path + ": " + stored.name + " has " + std::to_string(stored.length) +
                                            " bytes, which does not fit its shape and dtype");
    // Tensors in a file need not be aligned for their dtype.
    auto tensor = stored.strides.empty() ? at::empty(stored.shape, type) : at::empty({elements}, type);
    if (stored.length > 0) std::memcpy(tensor.mutable_data_ptr(), bytes, stored.length);
    if (!stored.strides.empty() && elements > 0)
      tensor = tensor.as_strided(stored.shape, stored.strides).contiguous();
    else if (!stored.strides.empty())
      tensor = tensor.reshape(stored.shape);
    take(stored, tensor);
  }
}

}  // namespace resnet_torch::model
