#include "binding/session_options.h"

#include "binding/arguments.h"
#include "binding/model.h"
#include "binding/optimizer_options.h"

namespace resnet_torch::binding {

namespace {

/// A fixed scale; without one torch.amp.GradScaler's.
train::LossScale toLossScale(const Napi::Value& value) {
  train::LossScale scale{65536, 2000, 2, 0.5, /*mayOverflow=*/true};
  if (value.IsUndefined()) return scale;
  scale.initial = toNumber(value, "lossScale");
  if (!(scale.initial > 0 && scale.initial <= 1 << 24)) invalid("lossScale", "above 0, at most 16777216");
  scale.growthInterval = 0;
  return scale;
}

train::LossSettings toLoss(const Napi::Object& object) {
  train::LossSettings loss;
  loss.name = toText(object.Get("name"), "loss.name");
  if (!object.Get("labelSmoothing").IsUndefined())
    loss.labelSmoothing = toNumber(object.Get("labelSmoothing"), "loss.labelSmoothing");
  if (!object.Get("gamma").IsUndefined()) loss.gamma = toNumber(object.Get("gamma"), "loss.gamma");
  if (!object.Get("classWeights").IsUndefined())
    loss.classWeights = toFloat64s(object.Get("classWeights"), "loss.classWeights");
  return loss;
}

}  // namespace

train::SessionOptions toSessionOptions(const model::Network& model, const Napi::Object& object) {
  train::SessionOptions options;
  if (!object.Get("groups").IsArray()) invalid("groups", "an array of parameter groups");
  const auto groups = object.Get("groups").As<Napi::Array>();
  for (std::uint32_t i = 0; i < groups.Length(); ++i) {
    const auto name = "groups[" + std::to_string(i) + "]";
    const auto group = toObject(groups.Get(i), name);
    options.groups.push_back({toText(group.Get("name"), name + ".name"),
                              toTexts(group.Get("parameters"), name + ".parameters"),
                              toNumber(group.Get("weightDecay"), name + ".weightDecay")});
  }
  options.optimizer = toOptimizer(toObject(object.Get("optimizer"), "optimizer"));
  if (!object.Get("loss").IsUndefined()) options.loss = toLoss(toObject(object.Get("loss"), "loss"));
  if (!object.Get("clipNorm").IsUndefined()) {
    options.clipNorm = toNumber(object.Get("clipNorm"), "clipNorm");
    if (!(options.clipNorm > 0)) invalid("clipNorm", "above 0");
  }
  for (auto& norm : toTexts(object.Get("batchNormTraining"), "batchNormTraining"))
    options.batchNormTraining.insert(std::move(norm));
  options.compute = toCompute(object.Get("compute"), model);
  if (options.compute == at::kHalf) options.lossScale = toLossScale(object.Get("lossScale"));
  if (!object.Get("cudaGraph").IsUndefined()) options.cudaGraph = toBoolean(object.Get("cudaGraph"), "cudaGraph");
  if (!object.Get("searchedBatch").IsUndefined())
    options.searchedBatch = toInteger(object.Get("searchedBatch"), "searchedBatch", 0, kSafeInteger);
  if (!object.Get("autograd").IsUndefined()) options.autograd = toBoolean(object.Get("autograd"), "autograd");
  options.seed = static_cast<std::uint64_t>(toInteger(object.Get("seed"), "seed", 0, kSafeInteger));
  return options;
}

std::optional<std::int64_t> toImageChannels(const Napi::Object& object, at::Device device) {
  const auto value = object.Get("imageChannels");
  if (value.IsUndefined()) return std::nullopt;
  return toInteger(value, "imageChannels", 3, device.is_cpu() ? 3 : 4);
}

}  // namespace resnet_torch::binding
