#pragma once

#include <napi.h>

#include <string>
#include <vector>

namespace resnet_torch::binding {

// Paths are bytes, and strings of JavaScript are not. A byte that is no UTF-8 is a lone surrogate there, U+DC80 to
// U+DCFF, as in Python (PEP 383) and in src/data/path-bytes.ts.

/// The bytes of a path. Throws Error(ERR_INVALID_ARGUMENT) for what is no string.
std::string toPath(const Napi::Value& value, const std::string& name);
std::vector<std::string> toPaths(const Napi::Value& value, const std::string& name);

/// Text that may hold a path, such as a message. No Napi::String: where a property is set to one, it goes through
/// UTF-8.
Napi::Value pathText(Napi::Env env, const std::string& bytes);

}  // namespace resnet_torch::binding
