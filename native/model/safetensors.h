#pragma once

#include "model/aten.h"

#include <functional>
#include <map>

#include "core/atomic_file.h"

namespace resnet_torch::model {

/// A tensor that lies in a file; `dtype` as safetensors names it. What the readers in TypeScript end in.
struct StoredTensor {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::size_t offset = 0;
  std::size_t length = 0;             ///< up to behind the last element
  std::vector<std::int64_t> strides;  ///< elements, by axis; none: contiguous
  /// For each row of the tensor that it goes into, the row of this that goes there, or -1 to leave it. None: all.
  std::vector<std::int32_t> rows;
};

struct TensorToStore {
  std::string name;
  at::Tensor tensor;
};

/// Writes a safetensors file; tensors are float64, float32, float16 or int64, and stay what they are. It is in its
/// place once it is committed, which any thread may do: the tensors are not needed for it.
[[nodiscard]] AtomicFile stageSafetensors(const std::string& path, const std::vector<TensorToStore>& tensors,
                                          const std::map<std::string, std::string>& metadata);
/// The same, committed.
void writeSafetensors(const std::string& path, const std::vector<TensorToStore>& tensors,
                      const std::map<std::string, std::string>& metadata);

/// Whether what is stored goes into a tensor of these sizes, whole or by rows.
[[nodiscard]] bool fitsInto(at::IntArrayRef sizes, const StoredTensor& stored);
/// Copies what was read into a tensor that it fits, converting the dtype.
void copyStored(const at::Tensor& into, const StoredTensor& stored, const at::Tensor& read);

/// Reads each tensor from the mapped file and hands it to `take`, contiguous; it is valid during that call alone.
void readStored(const std::string& path, const std::vector<StoredTensor>& tensors,
                const std::function<void(const StoredTensor&, const at::Tensor&)>& take);

}  // namespace resnet_torch::model
