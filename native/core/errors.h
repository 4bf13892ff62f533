#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace resnet_torch {

/// A failure with a stable code of `src/errors.ts`. The binding turns it into a `ResnetTorchError`.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}

  const std::string& code() const noexcept { return code_; }

 private:
  std::string code_;
};

/// Cancelled by its caller; never shown to a person as it is.
inline Error abortedError() {
  return Error("ERR_ABORTED", "The operation was aborted");
}

}  // namespace resnet_torch
