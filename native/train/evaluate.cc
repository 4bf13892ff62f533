#include "train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/compiled.h"
#include "model/device_kernels.h"
#include "model/finite.h"
#include "train/non_finite.h"
#include "train/objective.h"
#include "train/top_k.h"

namespace resnet_torch::train {

namespace {

struct Evaluated {
  at::Tensor input, logits;  ///< behind the units that a cache has
};

Evaluated evaluated(model::Network& model, data::Batch& batch, int units, at::ScalarType compute, Feed& feed) {
  const auto prefix = [&](const at::Tensor& images) {
    return model::compiledUnits(model, 0, units, compute)->run(images);
  };
  const auto input = prefixOutput(model, batch, units, compute, prefix, feed);
  return {input, model::compiledLogitsFrom(model, units, input, compute)};
}

Error tooLargeLogits(const std::string& firstImage) {
  return Error("ERR_NON_FINITE", "The loss of the batch that begins with " + firstImage +
                                     " is not finite, since its logits are too large: use the weights of a "
                                     "checkpoint from before that came about, or train with a lower learning rate");
}

template <class Element>
void append(const at::Tensor& values, std::vector<Element>& to) {
  const auto own = at::TensorOptions().dtype(c10::CppTypeToScalarType<Element>::value).device(at::kCPU);
  const auto read = values.to(own).contiguous();
  const auto* from = read.template const_data_ptr<Element>();
  to.insert(to.end(), from, from + read.numel());
}

/// What the model gives each class, float32 [n, classes]. In float64 until the end, so that likely classes differ
/// from 1, and unlikely ones from 0, as long as a float32 can tell.
at::Tensor probabilitiesOf(const at::Tensor& logits) {
  return logits.to(at::kDouble).softmax(1).to(at::kFloat);
}

/// Keeps the first image of a pass whose logits are not finite, without a word from the device.
void keepBroken(const Evaluated& of, std::int64_t begin, UnreadBatches& unread) {
  // 0 times a value is 0, or not a number.
  const auto bad = of.logits.mul(0).sum(1).ne(0);
  const auto row = bad.to(at::kByte).argmax(0);
  const auto input = of.input.index_select(0, row.view({1}));
  if (!unread.broken.defined()) {
    unread.broken = at::full({}, -1, row.options());
    unread.brokenInput = input;
  }
  const auto first = bad.any().logical_and(unread.broken.lt(0));
  unread.broken = at::where(first, row + begin, unread.broken);
  unread.brokenInput = at::where(first, input, unread.brokenInput);
}

void leaveOnDevice(const Evaluated& of, const at::Tensor& target, const data::Batch& batch, int units,
                   at::ScalarType compute, Evaluation& into) {
  auto& unread = into.unread;
  const auto begin = static_cast<std::int64_t>(unread.images.indices.size());
  unread.units = units;
  unread.compute = compute;
  keepBroken(of, begin, unread);
  const auto predicted = of.logits.argmax(1);
  const auto sums = {Objective::evaluate(of.logits, {target}).to(at::kDouble),
                     predicted.eq(target).sum().to(at::kDouble), topKHits(of.logits, target, 5).to(at::kDouble)};
  unread.sums.push_back(at::stack(at::TensorList(sums)));
  unread.predictions.push_back(predicted.to(at::kInt));
  if (into.keepsProbabilities) unread.probabilities.push_back(probabilitiesOf(of.logits));
  unread.begins.push_back(begin);
  unread.images.files = batch.files;
  unread.images.indices.insert(unread.images.indices.end(), batch.indices.begin(), batch.indices.end());
}

}  // namespace

void evaluateBatch(model::Network& model, data::Batch& batch, at::ScalarType compute, Feed& feed, Evaluation& into) {
  const at::NoGradGuard noGrad;
  const auto target = model::uploaded(batchTargets(model, batch).indices, model.device());
  const int units = batch.cache ? batch.cache->units() : 0;
  const auto [input, logits] = evaluated(model, batch, units, compute, feed);
  if (model::deviceKernels(model.device()))
    return leaveOnDevice({input, logits}, target, batch, units, compute, into);
  if (const auto broken = model::rowsNotFinite(logits); !broken.empty()) {
    const auto row = broken.front();
    throw notFiniteError(model, {"The logits of " + imageName(batch, row), units, input.narrow(0, row, 1), compute});
  }
  const double loss = Objective::evaluate(logits, {target}).item<double>();
  if (!std::isfinite(loss)) throw tooLargeLogits(imageName(batch, 0));
  into.images += logits.size(0);
  into.lossSum += loss;
  into.top5 += countTopK(logits, target, 5);
  const auto predicted = logits.argmax(1);
  into.top1 += predicted.eq(target).sum().item<std::int64_t>();
  append(predicted, into.predictions);
  if (into.keepsProbabilities) append(probabilitiesOf(logits), into.probabilities);
}

void finishEvaluation(const model::Network& model, Evaluation& into) {
  const at::NoGradGuard noGrad;
  const auto unread = std::exchange(into.unread, {});
  if (unread.sums.empty()) return;
  const auto sums = at::stack(unread.sums).cpu();
  const auto broken = unread.broken.item<std::int64_t>();
  const auto count = static_cast<std::int64_t>(unread.images.indices.size());
  const auto* row = sums.const_data_ptr<double>();
  for (std::size_t batch = 0; batch < unread.begins.size(); ++batch, row += 3) {
    const auto begin = unread.begins[batch];
    const auto end = batch + 1 < unread.begins.size() ? unread.begins[batch + 1] : count;
    if (begin <= broken && broken < end)
      throw notFiniteError(model, {"The logits of " + imageName(unread.images, broken), unread.units,
                                   unread.brokenInput, unread.compute});
    if (!std::isfinite(row[0])) throw tooLargeLogits(imageName(unread.images, begin));
    into.lossSum += row[0];
    into.top1 += static_cast<std::int64_t>(row[1]);
    into.top5 += static_cast<std::int64_t>(row[2]);
  }
  into.images += count;
  append(at::cat(unread.predictions), into.predictions);
  if (!unread.probabilities.empty()) append(at::cat(unread.probabilities), into.probabilities);
}

}  // namespace resnet_torch::train
