#include "binding/own_batch.h"

#include "binding/model.h"
#include "model/device_kernels.h"
#include "model/finite.h"
#include "train/non_finite.h"

namespace resnet_torch::binding {

OwnBatch toOwnBatch(const model::Network& model, const Napi::CallbackInfo& info) {
  OwnBatch batch;
  batch.values = toFloats(info[0], "images");
  batch.shape = toIntegers(info[1], "shape");
  checkImages(batch.values, batch.shape);
  const auto labels = toInt32s(info[2], "labels");
  if (static_cast<std::int64_t>(labels.size()) != batch.shape[0])
    throw Error("ERR_SHAPE_MISMATCH", "labels has " + std::to_string(labels.size()) + " values for " +
                                          std::to_string(batch.shape[0]) + " images");
  batch.targets = train::tensorsOf({labels}, model.headShape().classes);
  return batch;
}

std::optional<train::BatchAddress> toAddress(const Napi::Value& value, std::int64_t images) {
  if (value.IsUndefined()) return std::nullopt;
  const auto object = toObject(value, "address");
  train::BatchAddress address;
  address.epoch = static_cast<std::uint64_t>(toInteger(object.Get("epoch"), "address.epoch", 0, UINT32_MAX));
  for (const auto sample : toInt32s(object.Get("samples"), "address.samples")) address.samples.push_back(sample);
  if (static_cast<std::int64_t>(address.samples.size()) != images)
    invalid("address.samples", "as long as there are images");
  return address;
}

at::Tensor ownInput(train::Session& session, const OwnBatch& batch) {
  const auto& model = session.model();
  const auto images = model::uploaded(toImages(model, batch.values, batch.shape), model.device());
  session.checkImages(images);
  const auto input = session.prefix(images);
  if (session.frozenUnits() == 0 || !input.device().is_cpu()) return input;
  if (const auto broken = model::rowsNotFinite(input); !broken.empty())
    throw train::frozenNotFinite("image " + std::to_string(broken.front()), session.compute());
  return input;
}

std::map<std::string, at::Tensor> toGradients(const Napi::Value& value) {
  const auto object = toObject(value, "gradients");
  std::map<std::string, at::Tensor> gradients;
  const auto names = object.GetPropertyNames();
  for (std::uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>();
    const auto values = toFloats(object.Get(name), "gradients." + name);
    gradients[name] = at::from_blob(const_cast<void*>(values.data()), {static_cast<std::int64_t>(values.size())},
                                    values.wide ? at::kDouble : at::kFloat)
                          .clone();
  }
  return gradients;
}

}  // namespace resnet_torch::binding
