#include "core/failure.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <new>
#include <string_view>

#include "core/errors.h"

#if __has_include(<oneapi/dnnl/dnnl_common.hpp>)
#include <oneapi/dnnl/dnnl_common.hpp>
#define RESNET_TORCH_HAS_ONEDNN 1
#endif

namespace resnet_torch {

namespace {

/// cudaErrorMemoryAllocation, which is what a device and its runtime say.
constexpr std::int32_t kCudaMemoryAllocation = 2;

/// A sentence of libtorch's, or none, and what to do.
Failure outOfMemory(const char* where, std::string words) {
  while (!words.empty() && (words.back() == '.' || words.back() == '\n')) words.pop_back();
  return {"ERR_OUT_OF_MEMORY", std::string(where) + (words.empty() ? "" : ": " + words) +
                                   ". Use smaller batches or images (--batch-size, --image-size), 16-bit arithmetic "
                                   "(--precision bf16 or fp16), or freeze more of the network (--freeze-until)."};
}

bool says(const std::string& message, std::initializer_list<const char*> any) {
  return std::any_of(any.begin(), any.end(),
                     [&](const char* words) { return message.find(words) != std::string::npos; });
}

Failure describe(const c10::Error& torch) {
  const std::string message = torch.what_without_backtrace();
  const auto* device = dynamic_cast<const c10::AcceleratorError*>(&torch);
  // cuDNN and cuBLAS, which allocate by themselves, have codes of their own, told of in words alone.
  if (dynamic_cast<const c10::OutOfMemoryError*>(&torch) ||
      (device && device->get_error_code() == kCudaMemoryAllocation) ||
      says(message, {"STATUS_ALLOC_FAILED", "ALLOCATION_FAILED"}))
    return outOfMemory("The device ran out of memory", message);
  if (says(message, {"not enough memory", "can't allocate memory"})) return outOfMemory("Out of memory", message);
  return {"ERR_INTERNAL", "libtorch: " + message};
}

#ifdef RESNET_TORCH_HAS_ONEDNN
/// oneDNN, which libtorch lets through as it is. A primitive whose description it had accepted and that it then
/// cannot create has found no room for its code: it says "out of memory" where it asks for the first piece of it, and
/// "runtime error" where that piece has to grow.
Failure describe(const dnnl::error& error) {
  const std::string_view message = error.message;
  if (error.status == dnnl_out_of_memory || message == "could not create a primitive")
    return outOfMemory("Out of memory", "oneDNN: " + std::string(message));
  return {"ERR_INTERNAL", "oneDNN: " + std::string(message)};
}
#endif

}  // namespace

Failure describe(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& ours) {
    return {ours.code(), ours.what()};
  } catch (const c10::Error& torch) {
    return describe(torch);
#ifdef RESNET_TORCH_HAS_ONEDNN
  } catch (const dnnl::error& onednn) {
    return describe(onednn);
#endif
  } catch (const std::bad_alloc&) {
    return outOfMemory("Out of memory", "");
  } catch (const std::exception& other) {
    return {"ERR_INTERNAL", other.what()};
  } catch (...) {
    return {"ERR_INTERNAL", "An unknown native error"};
  }
}

}  // namespace resnet_torch
