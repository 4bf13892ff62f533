#include "binding/model.h"

#include "binding/device.h"
#include "binding/model_wrap.h"
#include "binding/registration.h"
#include "model/architecture.h"
#include "model/prefix_hash.h"

namespace resnet_torch::binding {

using model::Network;

namespace {

constexpr std::int64_t kMostClasses = 1'000'000;

std::shared_ptr<Network> createModel(const Napi::Object& options) {
  const auto& architecture = model::architecture(toText(options.Get("arch"), "arch"));
  model::HeadShape head;
  head.classes = toInteger(options.Get("classes"), "classes", 1, kMostClasses);
  head.hidden = toIntegers(options.Get("hidden"), "hidden");
  head.dropout = toNumber(options.Get("dropout"), "dropout");
  if (!(head.dropout >= 0 && head.dropout < 1)) invalid("dropout", "at least 0 and less than 1");
  for (const auto width : head.hidden)
    if (width < 1) invalid("hidden", "widths of at least 1");
  const auto dtype = toDtype(options.Get("dtype"), at::kFloat);
  const auto device = toDevice(options.Get("device"), "device");
  const auto seed = toInteger(options.Get("seed"), "seed", 0, kSafeInteger);
  // On the JavaScript thread, which may not wait for a device to start.
  return std::make_shared<Network>(architecture, std::move(head), dtype, device, static_cast<std::uint64_t>(seed),
                                   model::Allocation::kAtFirstUse);
}

}  // namespace

Model::Model(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Model>(info) {
  guarded(info.Env(), [&] {
    model_ = createModel(toObject(info[0], "options"));
    feed_ = std::make_shared<train::Feed>(model_->device());
    bytes_ = static_cast<std::int64_t>(model_->bytes());
    Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes_);
  });
}

Napi::Value Model::tensors(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const auto model = this->model();
    auto list = Napi::Array::New(env, model->tensors().size());
    std::uint32_t index = 0;
    for (const auto& entry : model->tensors()) {
      auto shape = Napi::Array::New(env, static_cast<std::size_t>(entry.tensor.dim()));
      for (std::int64_t d = 0; d < entry.tensor.dim(); ++d)
        shape.Set(static_cast<std::uint32_t>(d), static_cast<double>(entry.tensor.size(d)));
      auto item = Napi::Object::New(env);
      item.Set("name", entry.name);
      item.Set("shape", shape);
      item.Set("kind", entry.parameter ? "parameter" : "buffer");
      list.Set(index++, item);
    }
    return list;
  });
}

Napi::Value Model::allocate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = this->model();
    return runOnce(info, executorOf(*model), Priority::kControl, std::make_shared<CancelFlag>(), [model]() -> Answer {
      model->allocate();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value Model::prefixHash(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto model = this->model();
    const auto units = static_cast<int>(toInteger(info[0], "units", 1, model->architecture().backboneUnits()));
    return runOnce(info, executorOf(*model), Priority::kControl, std::make_shared<CancelFlag>(),
                   [model, units]() -> Answer {
                     model->initialise();
                     const auto digest = model::prefixHash(*model, units);
                     return [digest](Napi::Env env) { return Napi::String::New(env, digest); };
                   });
  });
}

Napi::Function defineModel(Napi::Env env) {
  const auto constructor = Model::define(env);
  Environment::of(env).keepConstructor("Model", constructor);
  return constructor;
}

std::shared_ptr<Network> toModel(const Napi::Value& value) {
  if (!Environment::of(value.Env()).isInstance(value, "Model")) invalid("model", "a Model");
  return Model::Unwrap(value.As<Napi::Object>())->model();
}

}  // namespace resnet_torch::binding
