#pragma once

#include <exception>
#include <string>

namespace resnet_torch {

/// What is told of a C++ exception.
struct Failure {
  std::string code;
  std::string message;
};

/// Of any: ours as it is; libtorch's, oneDNN's, CUDA's and the system's lack of memory as ERR_OUT_OF_MEMORY with ways
/// out; what else libtorch says, cut before its C++ stack.
Failure describe(const std::exception_ptr& error);

}  // namespace resnet_torch
