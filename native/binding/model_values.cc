/// What a model holds: its tensors, from files and to them, from the caller and to it.

#include "binding/model_wrap.h"
#include "model/finite.h"
#include "model/folded_convolution.h"
#include "model/safetensors.h"
#include "model/weight_faults.h"

namespace resnet_torch::binding {

using model::Network;

namespace {

/// Stored values as a tensor of that dtype could hold them: those of float64 may be too large for it.
at::Tensor readable(const at::Tensor& stored, at::ScalarType dtype) {
  return stored.scalar_type() == at::kDouble && at::isFloatingType(dtype) ? stored.to(dtype) : stored;
}

}  // namespace

Napi::Value Model::load(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto model = this->model();
    const auto path = toText(info[0], "path");
    auto stored = toStoredTensors(info[1], "tensors");
    for (const auto& tensor : stored) {
      if (!model::fitsInto(model->find(tensor.name).tensor.sizes(), tensor))
        throw Error("ERR_SHAPE_MISMATCH", path + ": " + tensor.name + " has another shape than the model's");
    }
    const auto cancel = toCancelFlag(info[2]);
    return runOnce(info, executorOf(*model), Priority::kControl, cancel,
                   [model, path, cancel, stored = std::move(stored)]() -> Answer {
                     const at::NoGradGuard noGrad;
                     model->allocate();
                     model::WeightFaults faults;
                     model::readStored(path, stored, [&](const model::StoredTensor& from, const at::Tensor& tensor) {
                       cancel->throwIfCancelled();
                       const auto& target = model->find(from.name).tensor;
                       const auto values = readable(tensor, target.scalar_type());
                       if (!faults.check(from.name, values)) return;
                       // Rows that are left as they are begin with random values.
                       if (!from.rows.empty()) model->initialise();
                       model::copyStored(target, from, values);
                       model->setLoaded(from.name);
                     });
                     faults.throwIfAny("ERR_WEIGHTS_FORMAT", path);
                     return [](Napi::Env env) { return env.Undefined(); };
                   });
  });
}

Napi::Value Model::read(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto model = this->model();
    const auto tensor = model->find(toText(info[0], "name")).tensor;
    const auto dtype = toDtype(info[1], model->dtype());
    return runOnce(info, executorOf(*model), Priority::kControl, std::make_shared<CancelFlag>(),
                   [model, tensor, dtype]() -> Answer {
                     model->initialise();
                     const auto copy = tensor.detach().cpu().to(dtype).clone(at::MemoryFormat::Contiguous);
                     return [copy](Napi::Env env) { return asFloatArray(env, copy); };
                   });
  });
}

Napi::Value Model::readFolded(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto model = this->model();
    model::Convolution convolution;
    convolution.weight = model->find(toText(info[0], "convolution") + ".weight").tensor;
    const auto norm = model->batchNorm(toText(info[1], "norm"));
    if (convolution.weight.dim() != 4 || convolution.weight.size(0) != norm.weight.numel())
      throw Error("ERR_SHAPE_MISMATCH", norm.name + " is not the BatchNorm behind that convolution");
    return runOnce(info, executorOf(*model), Priority::kControl, std::make_shared<CancelFlag>(),
                   [model, convolution, norm]() -> Answer {
                     const at::NoGradGuard noGrad;
                     model->initialise();
                     model::FoldedConvolution folded(convolution, norm, at::kFloat, /*keepWeight=*/true);
                     const auto weight = folded.weight(convolution.weight.size(1)).cpu().contiguous();
                     const auto bias = folded.bias().cpu();
                     return [weight, bias](Napi::Env env) -> Napi::Value {
                       auto object = Napi::Object::New(env);
                       object.Set("weight", asFloatArray(env, weight));
                       object.Set("bias", asFloatArray(env, bias));
                       return object;
                     };
                   });
  });
}

Napi::Value Model::write(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto model = this->model();
    const auto name = toText(info[0], "name");
    const auto tensor = model->find(name).tensor;
    auto values = toFloats(info[1], "values");
    if (values.size() != static_cast<std::size_t>(tensor.numel()))
      throw Error("ERR_SHAPE_MISMATCH",
                  name + " has " + std::to_string(tensor.numel()) + " values, not " + std::to_string(values.size()));
    return runOnce(info, executorOf(*model), Priority::kControl, std::make_shared<CancelFlag>(),
                   [model, name, tensor, values = std::move(values)]() -> Answer {
                     const at::NoGradGuard noGrad;
                     model->allocate();
                     const auto from = at::from_blob(const_cast<void*>(values.data()), tensor.sizes(),
                                                     values.wide ? at::kDouble : at::kFloat);
                     const auto own = readable(from, tensor.scalar_type());
                     model::WeightFaults faults;
                     faults.check(name, own);
                     faults.throwIfAny("ERR_WEIGHTS_FORMAT", "What is to be written");
                     at::Tensor(tensor).copy_(own);
                     model->setLoaded(name);
                     return [](Napi::Env env) { return env.Undefined(); };
                   });
  });
}

namespace {

/// 'float32' | 'float16', or nothing.
std::optional<at::ScalarType> toStoredDtype(const Napi::Value& value) {
  if (value.IsUndefined()) return std::nullopt;
  const auto dtype = toText(value, "dtype");
  if (dtype != "float32" && dtype != "float16") invalid("dtype", "'float32' or 'float16'");
  return dtype == "float16" ? at::kHalf : at::kFloat;
}

at::Tensor converted(const model::NamedTensor& entry, at::ScalarType dtype) {
  const auto tensor = entry.tensor.detach().to(dtype);
  if (at::isfinite(tensor).all().item<bool>()) return tensor;
  throw Error("ERR_NON_FINITE", entry.name + " has values that are not finite in " +
                                    (dtype == at::kHalf ? "float16, which ends at 65504" : "float32"));
}

}  // namespace

Napi::Value Model::save(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto model = this->model();
    const auto path = toText(info[0], "path");
    const auto metadata = toTextMap(info[1], "metadata");
    const auto dtype = toStoredDtype(info[2]);
    return runOnce(info, executorOf(*model), Priority::kControl, std::make_shared<CancelFlag>(),
                   [model, path, metadata, dtype]() -> Answer {
                     const at::NoGradGuard noGrad;
                     model->initialise();
                     std::vector<model::TensorToStore> tensors;
                     for (const auto& entry : model->tensors()) {
                       const bool convert = dtype && entry.tensor.is_floating_point();
                       tensors.push_back({entry.name, convert ? converted(entry, *dtype) : entry.tensor});
                     }
                     model::writeSafetensors(path, tensors, metadata);
                     return [](Napi::Env env) { return env.Undefined(); };
                   });
  });
}

}  // namespace resnet_torch::binding
