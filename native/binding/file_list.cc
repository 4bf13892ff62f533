#include "binding/file_list.h"

#include <cstring>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/path_text.h"
#include "binding/registration.h"

namespace resnet_torch::binding {

namespace {

constexpr const char* kName = "FileList";

/// Where each image lies in the spool file.
std::vector<data::SpooledImage> toSpooled(const Napi::Object& spool, std::size_t count) {
  const auto offsets = toFloat64s(spool.Get("offsets"), "spool.offsets");
  const auto lengths = toFloat64s(spool.Get("lengths"), "spool.lengths");
  const auto shapes = toInt32s(spool.Get("shapes"), "spool.shapes");
  const auto digests = toBytes(spool.Get("digests"), "spool.digests");
  if (offsets.size() != count || lengths.size() != count || shapes.size() != 3 * count ||
      digests.size() != sizeof(Hash128) * count)
    invalid("spool", "an offset, a length, three sides and 16 bytes of a digest for each path");
  std::vector<data::SpooledImage> spooled(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto& image = spooled[i];
    if (!(offsets[i] >= 0 && lengths[i] >= 0)) invalid("spool", "offsets and lengths of at least 0");
    image.offset = static_cast<std::size_t>(offsets[i]);
    image.length = static_cast<std::size_t>(lengths[i]);
    image.raw = {shapes[3 * i], shapes[3 * i + 1], shapes[3 * i + 2]};
    std::memcpy(&image.digest, digests.data() + sizeof(Hash128) * i, sizeof(Hash128));
  }
  return spooled;
}

/// Paths with labels, and where they lie when they have no files of their own. `known`: the spool file, where it is
/// open.
data::FileList toFiles(const Napi::CallbackInfo& info, const std::shared_ptr<const data::SpoolFile>& known) {
  data::FileList files;
  files.paths = toPaths(info[0], "paths");
  files.labels = toInt32s(info[1], "labels");
  if (files.paths.size() != files.labels.size())
    throw Error("ERR_INVALID_ARGUMENT", "labels has " + std::to_string(files.labels.size()) + " values for " +
                                            std::to_string(files.paths.size()) + " paths");
  if (info[2].IsUndefined()) return files;
  const auto spool = toObject(info[2], "spool");
  files.spooled = toSpooled(spool, files.paths.size());
  files.spool =
      known
          ? known
          : std::make_shared<data::SpoolFile>(static_cast<int>(toInteger(spool.Get("fd"), "spool.fd", 0, INT32_MAX)));
  return files;
}

/// Some images of a list, with other labels.
data::FileList picked(const data::FileList& all, const Napi::Value& positions, const Napi::Value& labels) {
  const auto chosen = toInt32s(positions, "positions");
  data::FileList files;
  files.labels = toInt32s(labels, "labels");
  if (files.labels.size() != chosen.size()) invalid("labels", "one for each position");
  files.spool = all.spool;
  for (const auto position : chosen) {
    const auto index = static_cast<std::size_t>(position);
    if (index >= all.paths.size()) invalid("positions", "less than the length of the list");
    files.paths.push_back(all.paths[index]);
    if (all.spool) files.spooled.push_back(all.spooled[index]);
  }
  return files;
}

class FileListWrap final : public Napi::ObjectWrap<FileListWrap> {
 public:
  explicit FileListWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FileListWrap>(info) {
    guarded(info.Env(), [&] {
      if (info[0].IsExternal())
        return adopt(info.Env(), std::move(*info[0].As<Napi::External<data::FileList>>().Data()));
      adopt(info.Env(), toFiles(info, nullptr));
    });
  }

  void Finalize(Napi::Env env) override { letGo(env); }

  std::shared_ptr<const data::FileList> files() const {
    if (!files_) throw Error("ERR_DISPOSED", "The file list was disposed of");
    return files_;
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, kName,
        {InstanceAccessor<&FileListWrap::length>("length"), InstanceMethod<&FileListWrap::pick>("pick"),
         InstanceMethod<&FileListWrap::append>("append"), InstanceMethod<&FileListWrap::appendFrom>("appendFrom"),
         InstanceMethod<&FileListWrap::dispose>("dispose")});
  }

 private:
  Napi::Value length(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), static_cast<double>(files()->paths.size()));
    });
  }

  Napi::Value pick(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
      auto files = picked(*this->files(), info[0], info[1]);
      return Environment::of(env).construct(kName, {Napi::External<data::FileList>::New(env, &files)});
    });
  }

  Napi::Value append(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto spool = files()->spool;
      add(info.Env(), toFiles(info, spool));
      return info.Env().Undefined();
    });
  }

  Napi::Value appendFrom(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      if (!files_) throw Error("ERR_DISPOSED", "The file list was disposed of");
      auto more = picked(*toFileList(info[0]), info[1], info[2]);
      add(info.Env(), std::move(more));
      return info.Env().Undefined();
    });
  }

  /// More files, while nobody else has the list.
  void add(Napi::Env env, data::FileList more) {
    if (files_.use_count() > 1) throw Error("ERR_BUSY", "The file list is in use");
    auto& files = *files_;
    if (!files.paths.empty() && files.spool != more.spool) invalid("spool", "of the same file for all of a list");
    files.spool = more.spool;
    files.labels.insert(files.labels.end(), more.labels.begin(), more.labels.end());
    files.spooled.insert(files.spooled.end(), more.spooled.begin(), more.spooled.end());
    std::int64_t bytes = static_cast<std::int64_t>(more.spooled.size() * sizeof(data::SpooledImage));
    for (auto& path : more.paths) {
      bytes += bytesOf(path);
      files.paths.push_back(std::move(path));
    }
    bytes_ += bytes;
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  }

  static std::int64_t bytesOf(const std::string& path) {
    return static_cast<std::int64_t>(path.capacity() + sizeof(path));
  }

  void adopt(Napi::Env env, data::FileList files) {
    files_ = std::make_shared<data::FileList>();
    add(env, std::move(files));
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

  std::shared_ptr<data::FileList> files_;
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
