#include "binding/file_list.h"

#include <cstring>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/registration.h"

namespace resnet_torch::binding {

namespace {

constexpr const char* kName = "FileList";

/// Where each image lies in the spool file.
void readSpool(const Napi::Object& spool, data::FileList& files) {
  const auto count = files.paths.size();
  const auto offsets = toFloat64s(spool.Get("offsets"), "spool.offsets");
  const auto lengths = toFloat64s(spool.Get("lengths"), "spool.lengths");
  const auto shapes = toInt32s(spool.Get("shapes"), "spool.shapes");
  const auto digests = toBytes(spool.Get("digests"), "spool.digests");
  if (offsets.size() != count || lengths.size() != count || shapes.size() != 3 * count ||
      digests.size() != sizeof(Hash128) * count)
    invalid("spool", "an offset, a length, three sides and 16 bytes of a digest for each path");
  files.spooled.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto& image = files.spooled[i];
    if (!(offsets[i] >= 0 && lengths[i] >= 0)) invalid("spool", "offsets and lengths of at least 0");
    image.offset = static_cast<std::size_t>(offsets[i]);
    image.length = static_cast<std::size_t>(lengths[i]);
    image.raw = {shapes[3 * i], shapes[3 * i + 1], shapes[3 * i + 2]};
    std::memcpy(&image.digest, digests.data() + sizeof(Hash128) * i, sizeof(Hash128));
  }
  files.spool =
      std::make_shared<data::SpoolFile>(static_cast<int>(toInteger(spool.Get("fd"), "spool.fd", 0, INT32_MAX)));
}

class FileListWrap final : public Napi::ObjectWrap<FileListWrap> {
 public:
  explicit FileListWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FileListWrap>(info) {
    guarded(info.Env(), [&] {
      if (info[0].IsExternal())
        return adopt(info.Env(), std::move(*info[0].As<Napi::External<data::FileList>>().Data()));
      auto files = std::make_shared<data::FileList>();
      files->paths = toTexts(info[0], "paths");
      files->labels = toInt32s(info[1], "labels");
      if (files->paths.size() != files->labels.size())
        throw Error("ERR_INVALID_ARGUMENT", "labels has " + std::to_string(files->labels.size()) + " values for " +
                                                std::to_string(files->paths.size()) + " paths");
      if (!info[2].IsUndefined()) readSpool(toObject(info[2], "spool"), *files);
      adopt(info.Env(), std::move(*files));
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
        {InstanceAccessor<&FileListWrap::length>("length"), InstanceMethod<&FileListWrap::pick>("pick"),
         InstanceMethod<&FileListWrap::dispose>("dispose")});
  }

 private:
  Napi::Value length(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), static_cast<double>(files()->paths.size()));
    });
  }

  /// Some of the images, with other labels.
  Napi::Value pick(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
      const auto& all = *files();
      const auto positions = toInt32s(info[0], "positions");
      data::FileList picked;
      picked.labels = toInt32s(info[1], "labels");
      if (picked.labels.size() != positions.size()) invalid("labels", "one for each position");
      picked.spool = all.spool;
      for (const auto position : positions) {
        const auto index = static_cast<std::size_t>(position);
        if (index >= all.paths.size()) invalid("positions", "less than the length of the list");
        picked.paths.push_back(all.paths[index]);
        if (all.spool) picked.spooled.push_back(all.spooled[index]);
      }
      return Environment::of(env).construct(kName, {Napi::External<data::FileList>::New(env, &picked)});
    });
  }

  void adopt(Napi::Env env, data::FileList files) {
    bytes_ = static_cast<std::int64_t>(files.spooled.capacity() * sizeof(data::SpooledImage));
    for (const auto& path : files.paths) bytes_ += static_cast<std::int64_t>(path.capacity() + sizeof(path));
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes_);
    files_ = std::make_shared<const data::FileList>(std::move(files));
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
