#include "binding/model.h"

#include "binding/async.h"
#include "binding/device.h"
#include "binding/loader.h"
#include "binding/registration.h"
#include "model/architecture.h"
#include "model/compiled.h"
#include "model/device_kernels.h"
#include "model/finite.h"
#include "model/folded_convolution.h"
#include "model/prefix_hash.h"
#include "model/weight_faults.h"
#include "train/evaluate.h"
#include "train/non_finite.h"
#include "train/pipeline.h"

namespace resnet_torch::binding {

namespace {

using model::Network;

constexpr std::int64_t kMostClasses = 1'000'000;

/// 'float32' | 'float64', or nothing for `own`.
at::ScalarType toDtype(const Napi::Value& value, at::ScalarType own) {
  if (value.IsUndefined()) return own;
  const auto dtype = toText(value, "dtype");
  if (dtype != "float32" && dtype != "float64") invalid("dtype", "'float32' or 'float64'");
  return dtype == "float64" ? at::kDouble : at::kFloat;
}

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

class Model final : public Napi::ObjectWrap<Model> {
 public:
  explicit Model(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Model>(info) {
    guarded(info.Env(), [&] {
      model_ = createModel(toObject(info[0], "options"));
      feed_ = std::make_shared<train::Feed>(model_->device());
      bytes_ = static_cast<std::int64_t>(model_->bytes());
      Napi::MemoryManagement::AdjustExternalMemory(info.Env(), bytes_);
    });
  }

  void Finalize(Napi::Env env) override { letGo(env); }

  std::shared_ptr<Network> model() const {
    if (!model_) throw Error("ERR_DISPOSED", "The model was disposed of");
    return model_;
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Model",
                       {InstanceMethod<&Model::tensors>("tensors"), InstanceMethod<&Model::allocate>("allocate"),
                        InstanceMethod<&Model::load>("load"), InstanceMethod<&Model::read>("read"),
                        InstanceMethod<&Model::readFolded>("readFolded"), InstanceMethod<&Model::write>("write"),
                        InstanceMethod<&Model::forward>("forward"), InstanceMethod<&Model::evaluate>("evaluate"),
                        InstanceMethod<&Model::save>("save"), InstanceMethod<&Model::prefixHash>("prefixHash"),
                        InstanceMethod<&Model::dispose>("dispose")});
  }

 private:
  Napi::Value tensors(const Napi::CallbackInfo& info);
  Napi::Value allocate(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value readFolded(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value evaluate(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value prefixHash(const Napi::CallbackInfo& info);

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    letGo(info.Env());
    return info.Env().Undefined();
  }

  void letGo(Napi::Env env) {
    if (!model_) return;
    auto& executor = executorOf(*model_);
    releaseOn(executor, std::move(feed_));
    releaseOn(executor, std::move(model_));
    model_.reset();
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes_);
  }

  std::shared_ptr<Network> model_;
  std::shared_ptr<train::Feed> feed_;  ///< of evaluations
  std::int64_t bytes_ = 0;
};

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

namespace {

/// Stored values as a tensor of that dtype could hold them: those of float64 may be too large for it.
at::Tensor readable(const at::Tensor& stored, at::ScalarType dtype) {
  return stored.scalar_type() == at::kDouble && at::isFloatingType(dtype) ? stored.to(dtype) : stored;
}

}  // namespace

Napi::Value Model::allocate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = this->model();
    return runOnce(info, executorOf(*model), Priority::kControl, std::make_shared<CancelFlag>(), [model]() -> Answer {
      model->allocate();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

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

/// Where a forward pass ends.
struct ForwardOutput {
  std::string name;  ///< for messages
  int units = 0;
  bool pooled = false, logits = false;
};

ForwardOutput toForwardOutput(const model::Architecture& architecture, const std::string& name) {
  const int backbone = architecture.backboneUnits();
  if (name == "logits") return {name, backbone, true, true};
  if (name == "features") return {name, backbone, true, false};
  for (int unit = 0; unit < backbone; ++unit)
    if (name == architecture.unitName(unit)) return {"outputs of " + name, unit + 1};
  invalid("output", "'logits', 'features' or a unit before the head");
}

at::Tensor forwardTo(Network& model, const at::Tensor& images, const ForwardOutput& output, at::ScalarType compute,
                     bool eager) {
  if (eager) {
    model::ForwardOptions options;
    options.compute = compute;
    auto x = model.firstUnits(output.units, images, options);
    if (output.pooled) x = model::averaged(x, model.dtype());
    return output.logits ? model.logits(x, options) : x;
  }
  if (output.logits) return model::compiledLogits(model, images, compute);
  if (output.pooled) return model::compiledFeatures(model, images, compute);
  return model::compiledUnits(model, 0, output.units, compute)->activations(images);
}

}  // namespace

Napi::Value Model::forward(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto model = this->model();
    auto values = toFloats(info[0], "images");
    auto shape = toIntegers(info[1], "shape");
    const auto options = toObject(info[2], "options");
    const auto output = toForwardOutput(model->architecture(), toText(options.Get("output"), "output"));
    const auto compute = toCompute(options.Get("compute"), *model);
    const bool eager = !options.Get("eager").IsUndefined() && toBoolean(options.Get("eager"), "eager");
    checkImages(values, shape);
    const auto cancel = toCancelFlag(info[3]);
    return runOnce(info, executorOf(*model), Priority::kPrediction, cancel,
                   [model, values = std::move(values), shape, compute, output, eager]() -> Answer {
                     const at::NoGradGuard noGrad;
                     model->initialise();
                     const auto images = model::uploaded(toImages(*model, values, shape), model->device());
                     const auto copy =
                         forwardTo(*model, images, output, compute, eager).cpu().to(model->dtype()).contiguous();
                     if (const auto broken = model::rowsNotFinite(copy); !broken.empty()) {
                       const auto row = broken.front();
                       throw train::notFiniteError(*model, {"The " + output.name + " of image " + std::to_string(row),
                                                            0, images.narrow(0, row, 1), compute});
                     }
                     return [copy](Napi::Env env) { return toFloatArray(env, copy); };
                   });
  });
}

namespace {

/// What an evaluation keeps between its batches.
struct Pass {
  train::Evaluation sums;
  std::vector<std::int32_t> indices;
  std::vector<data::ImageFailure> failures;
  std::int64_t batches = 0;
  bool exhausted = false;

  void add(Network& model, data::Batch& batch, at::ScalarType compute, train::Feed& feed) {
    ++batches;
    failures.insert(failures.end(), batch.failures.begin(), batch.failures.end());
    indices.insert(indices.end(), batch.indices.begin(), batch.indices.end());
    if (batch.count > 0) train::evaluateBatch(model, batch, compute, feed, sums);
  }
};

Napi::Value passObject(Napi::Env env, const Pass& pass) {
  auto object = Napi::Object::New(env);
  object.Set("batches", static_cast<double>(pass.batches));
  object.Set("images", static_cast<double>(pass.sums.images));
  object.Set("lossSum", pass.sums.lossSum);
  object.Set("top1", static_cast<double>(pass.sums.top1));
  object.Set("top5", static_cast<double>(pass.sums.top5));
  object.Set("indices", typedArray<Napi::Int32Array>(env, pass.indices));
  object.Set("predictions", typedArray<Napi::Int32Array>(env, pass.sums.predictions));
  if (pass.sums.keepsProbabilities)
    object.Set("probabilities", typedArray<Napi::Float32Array>(env, pass.sums.probabilities));
  object.Set("failures", toFailures(env, pass.failures));
  object.Set("exhausted", pass.exhausted);
  return object;
}

}  // namespace

/// Takes up to `maxBatches` batches from the loader, a batch a unit.
Napi::Value Model::evaluate(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&] {
    const auto options = toObject(info[0], "options");
    const auto loader = toLoader(options.Get("loader"));
    const auto maxBatches = toInteger(options.Get("maxBatches"), "maxBatches", 1, kSafeInteger);
    const auto model = this->model();
    const auto compute = toCompute(options.Get("compute"), *model);
    auto& executor = executorOf(*model);
    const auto pass = std::make_shared<Pass>();
    const auto probabilities = options.Get("probabilities");
    pass->sums.keepsProbabilities = !probabilities.IsUndefined() && toBoolean(probabilities, "probabilities");
    return runUnits(info, executor, Priority::kTraining, toCancelFlag(info[1]),
                    [model, loader, maxBatches, pass, compute, feed = feed_, &executor](Answer& answer) {
                      auto taken = train::nextBatch(*loader, executor, *feed);
                      if (taken.waiting) return Job::Progress::kWaiting;
                      model->initialise();
                      if (taken.batch) pass->add(*model, *taken.batch, compute, *feed);
                      pass->exhausted = !taken.batch || loader->exhausted();
                      if (!pass->exhausted && pass->batches < maxBatches) return Job::Progress::kMore;
                      train::finishEvaluation(*model, pass->sums);
                      answer = [pass](Napi::Env env) { return passObject(env, *pass); };
                      return Job::Progress::kDone;
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

}  // namespace

Napi::Function defineModel(Napi::Env env) {
  const auto constructor = Model::define(env);
  Environment::of(env).keepConstructor("Model", constructor);
  return constructor;
}

std::shared_ptr<Network> toModel(const Napi::Value& value) {
  if (!Environment::of(value.Env()).isInstance(value, "Model")) invalid("model", "a Model");
  return Model::Unwrap(value.As<Napi::Object>())->model();
}

Executor& executorOf(const Network& model) {
  return Executor::forDevice(model.device().str());
}

std::vector<model::StoredTensor> toStoredTensors(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) invalid(name, "an array of stored tensors");
  const auto array = value.As<Napi::Array>();
  std::vector<model::StoredTensor> tensors;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    Napi::HandleScope scope(value.Env());
    const auto item = toObject(array.Get(i), name);
    model::StoredTensor tensor;
    tensor.name = toText(item.Get("name"), name + ".name");
    tensor.dtype = toText(item.Get("dtype"), name + ".dtype");
    tensor.shape = toIntegers(item.Get("shape"), name + ".shape");
    tensor.offset = static_cast<std::size_t>(toInteger(item.Get("offset"), name + ".offset", 0, kSafeInteger));
    tensor.length = static_cast<std::size_t>(toInteger(item.Get("length"), name + ".length", 0, kSafeInteger));
    const Napi::Value strides = item.Get("strides"), rows = item.Get("rows");
    if (!strides.IsUndefined()) tensor.strides = toIntegers(strides, name + ".strides");
    if (!rows.IsUndefined()) tensor.rows = toInt32s(rows, name + ".rows");
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

at::ScalarType toCompute(const Napi::Value& value, const Network& model) {
  const auto compute = toText(value, "compute");
  if (compute == "dtype") return model.dtype();
  if (compute == "bf16") return at::kBFloat16;
  if (compute != "fp16") invalid("compute", "'dtype', 'bf16' or 'fp16'");
  if (model.device().is_cpu())
    throw Error("ERR_INVALID_ARGUMENT", "fp16 needs a CUDA device: on the CPU use the precision 'bf16' or 'fp32'");
  return at::kHalf;
}

void checkImages(const Floats& values, const std::vector<std::int64_t>& shape) {
  if (shape.size() != 4 || shape[0] < 1 || shape[1] != 3 || shape[2] < 32 || shape[3] < 32)
    throw Error("ERR_SHAPE_MISMATCH",
                "shape must be [n, 3, height, width] with n ≥ 1 and sides of at least 32 pixels");
  const double count =
      static_cast<double>(shape[0]) * 3 * static_cast<double>(shape[2]) * static_cast<double>(shape[3]);
  if (count != static_cast<double>(values.size()))
    throw Error("ERR_SHAPE_MISMATCH", "images has " + std::to_string(values.size()) +
                                          " values, and its shape asks for " +
                                          std::to_string(static_cast<std::int64_t>(count)));
}

at::Tensor toImages(const Network& model, const Floats& values, const std::vector<std::int64_t>& shape) {
  const auto images = at::from_blob(const_cast<void*>(values.data()), shape, values.wide ? at::kDouble : at::kFloat)
                          .to(model.dtype());
  train::requireFiniteImages(images);
  return images;
}

Napi::Value toFloatArray(Napi::Env env, const at::Tensor& tensor) {
  const auto count = static_cast<std::size_t>(tensor.numel());
  if (tensor.scalar_type() == at::kDouble) {
    auto array = Napi::Float64Array::New(env, count);
    std::copy_n(tensor.const_data_ptr<double>(), count, array.Data());
    return array;
  }
  auto array = Napi::Float32Array::New(env, count);
  std::copy_n(tensor.const_data_ptr<float>(), count, array.Data());
  return array;
}

Napi::Value asFloatArray(Napi::Env env, const at::Tensor& tensor) {
  auto kept = std::make_unique<at::Tensor>(tensor);
  auto* held = kept.get();
  const auto buffer = Napi::ArrayBuffer::New(env, held->mutable_data_ptr(), held->nbytes(),
                                             [held](Napi::Env, void*) { delete held; });
  kept.release();
  const auto count = static_cast<std::size_t>(tensor.numel());
  if (tensor.scalar_type() == at::kDouble) return Napi::Float64Array::New(env, count, buffer, 0);
  return Napi::Float32Array::New(env, count, buffer, 0);
}

}  // namespace resnet_torch::binding
