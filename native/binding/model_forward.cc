/// The forward pass on images of the caller's.

#include "binding/model_wrap.h"
#include "model/architecture.h"
#include "model/compiled.h"
#include "model/device_kernels.h"
#include "model/finite.h"
#include "train/non_finite.h"

namespace resnet_torch::binding {

using model::Network;

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

}  // namespace resnet_torch::binding
