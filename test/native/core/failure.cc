// What is told of native exceptions. Usage: failure; prints a line for each: its code and its message.

#include "core/failure.h"

#include <c10/util/Exception.h>

#include <cstdio>
#include <new>
#include <oneapi/dnnl/dnnl_common.hpp>
#include <stdexcept>

#include "core/errors.h"

using namespace resnet_torch;

namespace {

template <typename Exception>
void tell(const Exception& exception) {
  const auto [code, message] = describe(std::make_exception_ptr(exception));
  std::printf("%s %s\n", code.c_str(), message.c_str());
}

}  // namespace

int main() {
  tell(Error("ERR_DISPOSED", "ours"));
  tell(std::bad_alloc());
  tell(dnnl::error(dnnl_out_of_memory, "could not execute a primitive"));
  tell(dnnl::error(dnnl_out_of_memory, "could not create a primitive"));
  tell(dnnl::error(dnnl_runtime_error, "could not create a primitive"));
  tell(dnnl::error(dnnl_unimplemented, "could not create a primitive descriptor for convolution"));
  tell(std::runtime_error("another"));
  try {
    TORCH_CHECK(false, "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory");
  } catch (const c10::Error& error) {
    tell(error);
  }
  try {
    TORCH_CHECK(false, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate");
  } catch (const c10::Error& error) {
    tell(error);
  }
}
