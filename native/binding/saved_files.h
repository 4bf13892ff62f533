#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "train/session.h"

namespace resnet_torch::binding {

/// `NativeFileToSave` of the contract.
struct FileToSave {
  std::string path, holds;
  train::Metadata metadata;

  AtomicFile stage(train::Session& session) const;
};

std::vector<FileToSave> toFiles(const Napi::Value& value);

}  // namespace resnet_torch::binding
