#include "binding/saved_files.h"

#include "binding/arguments.h"

namespace resnet_torch::binding {

AtomicFile FileToSave::stage(train::Session& session) const {
  if (holds == "state") return session.stageState(path, metadata);
  return holds == "kept" ? session.stageBest(path, metadata) : session.stageModel(path, metadata);
}

std::vector<FileToSave> toFiles(const Napi::Value& value) {
  if (!value.IsArray()) invalid("files", "an array");
  const auto list = value.As<Napi::Array>();
  std::vector<FileToSave> files;
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    const auto name = "files[" + std::to_string(i) + "]";
    const auto object = toObject(list.Get(i), name);
    FileToSave file{toText(object.Get("path"), name + ".path"), toText(object.Get("holds"), name + ".holds"),
                    toTextMap(object.Get("metadata"), name + ".metadata")};
    if (file.holds != "model" && file.holds != "kept" && file.holds != "state")
      invalid(name + ".holds", "'model', 'kept' or 'state'");
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace resnet_torch::binding
