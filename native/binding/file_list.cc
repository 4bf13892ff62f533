#include "binding/file_list.h"

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/registration.h"

namespace resnet_torch::binding {

namespace {

constexpr const char* kName = "FileList";

class FileListWrap final : public Napi::ObjectWrap<FileListWrap> {
 public:
  explicit FileListWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FileListWrap>(info) {
    guarded(info.Env(), [&] {
      auto files = std::make_shared<data::FileList>();
      files->paths = toTexts(info[0], "paths");
      files->labels = toInt32s(info[1], "labels");
      if (files->paths.size() != files->labels.size())
        throw Error("ERR_INVALID_ARGUMENT", "labels has " + std::to_string(files->labels.size()) + " values for " +
                                                std::to_string(files->paths.size()) + " paths");
      for (const auto& path : files->paths) bytes_ += static_cast<std::int64_t>(path.capacity() + sizeof(path));
      Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes_);
      files_ = std::move(files);
    });
  }

  void Finalize(Napi::Env env) override { letGo(env); }

  const std::shared_ptr<const data::FileList>& files() const {
    if (!files_) throw Error("ERR_DISPOSED", "The file list was disposed of");
    return files_;
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, kName,
        {InstanceAccessor<&FileListWrap::length>("length"), InstanceMethod<&FileListWrap::dispose>("dispose")});
  }

 private:
  Napi::Value length(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), static_cast<double>(files()->paths.size()));
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    letGo(info.Env());
    return info.Env().Undefined();
  }

  void letGo(Napi::Env env) {
    if (!files_) return;
    files_.reset();
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes_);
  }

  std::shared_ptr<const data::FileList> files_;
  std::int64_t bytes_ = 0;
};

}  // namespace

Napi::Function defineFileList(Napi::Env env) {
  const auto constructor = FileListWrap::define(env);
  Environment::of(env).keepConstructor(kName, constructor);
  return constructor;
}

std::shared_ptr<const data::FileList> toFileList(const Napi::Value& value) {
  if (!Environment::of(value.Env()).isInstance(value, kName)) invalid("files", "a FileList");
  return FileListWrap::Unwrap(value.As<Napi::Object>())->files();
}

}  // namespace resnet_torch::binding
