#include "cuda/optimizer.h"

#include <array>

#include "support/check.h"

namespace cuda = resnet_torch::cuda;

namespace {

namespace optim = resnet_torch::optim;
using cuda::Storage;

struct Case {
  const char* name;
  cuda::OptimizerSettings settings;
  float scale;
  bool withNorm;
  int multiprocessors;
};

constexpr int kGroups = 3;

/// Values stored in one of three types.
struct Stored {
  Stored(Storage storage, std::size_t count, std::size_t skew)
      : storage(storage), floats(count, skew), halves(count, skew), bfloats(count, skew) {}

  void* get() const {
    if (storage == Storage::kFloat16) return halves.get();
    return storage == Storage::kBfloat16 ? static_cast<void*>(bfloats.get()) : floats.get();
  }
  Values values() const {
    if (storage == Storage::kFloat16) return halves.values();
    return storage == Storage::kBfloat16 ? bfloats.values() : floats.values();
  }
  void set(std::size_t i, double value) {
    floats[i] = rounded<float>(value);
    halves[i] = rounded<__half>(value);
    bfloats[i] = rounded<__nv_bfloat16>(value);
  }

  Storage storage;
  Buffer<float> floats;
  Buffer<__half> halves;
  Buffer<__nv_bfloat16> bfloats;
};

struct Tensor {
  Tensor(std::mt19937& random, std::int64_t size, int group, std::size_t skew, Storage gradientStorage,
         const optim::StateNames& state)
      : count(static_cast<std::size_t>(size)),
        group(group),
        parameter(drawn<float>(random, count), skew),
        gradient(gradientStorage, count, skew),
        copy(gradientStorage == Storage::kFloat16 ? Storage::kBfloat16 : Storage::kFloat16, count, skew) {
    for (std::size_t k = 0; k < state.slots.size(); ++k) {
      auto& slot = slots.emplace_back(count, skew);
      for (std::size_t i = 0; i < count; ++i) slot[i] = 0;
      expected.slots.emplace_back(count);
    }
    expected.values.assign(parameter.get(), parameter.get() + count);
    expected.scalar = state.scalarStart;
  }

  cuda::OptimizerTensor entry(bool withGradient, bool withCopy) const {
    cuda::OptimizerTensor to;
    to.parameter = parameter.get();
    if (withGradient) to.gradient = gradient.get();
    for (std::size_t k = 0; k < slots.size(); ++k) to.slots[k] = slots[k].get();
    if (withCopy) to.copy = copy.get();
    to.size = static_cast<std::int64_t>(count);
    to.group = group;
    to.weightDecay = static_cast<float>(expected.weightDecay);
    to.gradientStorage = gradient.storage;
    to.copyStorage = copy.storage;
    return to;
  }

  std::size_t count;
  int group;
  Buffer<float> parameter;
  std::vector<Buffer<float>> slots;
  Stored gradient, copy;
  reference::Parameter expected;
};

Values floats(const std::vector<float>& from) {
  return {from.begin(), from.end()};
}

reference::Optimizer referenceOf(const optim::Settings& settings) {
  reference::Optimizer to;
  std::visit(
      [&]<class Rule>(const Rule& rule) {
        to.kind = Rule::kName;
        Rule::settings(rule, [&](const char* name, double value) { to.settings[name] = value; });
      },
      settings);
  return to;
}

class OptimizerTest {
 public:
  OptimizerTest(std::mt19937& random, const Case& tested)
      : random_(random), case_(tested), context_{nullptr, tested.multiprocessors}, rates_(cuda::kRateRows * kGroups) {
    struct Kind {
      std::int64_t size;
      std::size_t skew;
      Storage storage;
    };
    const Kind kinds[] = {{1, 0, Storage::kFloat32},      {64, 0, Storage::kBfloat16}, {0, 0, Storage::kFloat32},
                          {1003, 0, Storage::kFloat16},   {777, 1, Storage::kFloat32}, {40, 0, Storage::kFloat32},
                          {20005, 0, Storage::kBfloat16}, {130, 1, Storage::kFloat16}, {16384, 0, Storage::kFloat32}};
    for (const auto& kind : kinds) {
      const int group = static_cast<int>(tensors_.size()) % kGroups;
      tensors_.emplace_back(random, kind.size, group, kind.skew, kind.storage,
                            optim::stateNames(case_.settings.rule));
      tensors_.back().expected.weightDecay = group == 1 ? 0 : 0.05;
    }
    for (std::size_t i = 0; i < rates_.size(); ++i) rates_[i] = 1e-3 * (1 + static_cast<double>(i % 7));
    state_[0] = {};
    state_[0].scale = case_.scale;
  }

  void run() {
    const auto count = tensors_.size();
    const Buffer<cuda::OptimizerTensor> entries(count);
    const Buffer<float> steps(count), scalars(count);
    const Buffer<cuda::StepFactors> factors(count);
    std::vector<std::int64_t> sizes;
    for (std::size_t i = 0; i < count; ++i) {
      steps[i] = 0;
      scalars[i] = tensors_[i].expected.scalar;
      sizes.push_back(static_cast<std::int64_t>(tensors_[i].count));
    }
    const auto chunkList = cuda::chunksOf(sizes);
    const Buffer<cuda::Chunk> chunks(chunkList.size());
    for (std::size_t i = 0; i < chunkList.size(); ++i) chunks[i] = chunkList[i];
    const Buffer<float> parts(chunkList.size());
    cuda::OptimizerTable table{entries.get(), steps.get(),
                               factors.get(), static_cast<int>(count),
                               chunks.get(),  static_cast<int>(chunkList.size()),
                               rates_.get(),  kGroups,
                               scalars.get()};
    for (int step = 0; step < 4; ++step) {
      const bool overflow = step == 2 && case_.withNorm;
      for (std::size_t i = 0; i < count; ++i) entries[i] = tensors_[i].entry(takesPart(i, step), i % 3 != 0);
      drawGradients(step, overflow);
      const float scale = state_[0].scale;
      if (case_.withNorm) cuda::gradientNorm(table, state_.get(), parts.get(), context_);
      cuda::prepareStep(table, case_.settings, case_.withNorm ? parts.get() : nullptr, nullptr, state_.get(),
                        context_);
      cuda::optimizerStep(table, case_.settings, state_.get(), context_);
      expectState(step, overflow, scale);
      if (!overflow) moveExpected(step, scale);
      for (std::size_t i = 0; i < count; ++i) {
        expectTensor(i, step, steps[i], takesPart(i, step) && !overflow);
        if (tensors_[i].count > 0)
          expectClose<float>("the rule's own number", {scalars[i]}, {tensors_[i].expected.scalar});
      }
    }
  }

 private:
  /// One parameter has its first gradient later than the others.
  static bool takesPart(std::size_t tensor, int step) { return tensor != 5 || step > 0; }

  void drawGradients(int step, bool overflow) {
    std::normal_distribution<double> normal(0, 0.5);
    norm_ = 0;
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      for (std::size_t i = 0; i < tensors_[t].count; ++i)
        tensors_[t].gradient.set(i, normal(random_) * state_[0].scale);
      if (!takesPart(t, step)) continue;
      for (const double value : tensors_[t].gradient.values())
        norm_ += value * value / state_[0].scale / state_[0].scale;
    }
    norm_ = std::sqrt(norm_);
    if (overflow) tensors_[6].gradient.set(20001, step % 2 == 0 ? INFINITY : NAN);
  }

  double clip() const {
    if (!case_.withNorm || case_.settings.maxNorm == 0) return 1;
    return std::min(1.0, case_.settings.maxNorm / (norm_ + 1e-6));
  }

  void expectState(int step, bool overflow, float scale) {
    const auto& state = state_[0];
    const std::string what = std::string(case_.name) + ", step " + std::to_string(step);
    expectTrue(what + " row", state.row == step + 1);
    expectTrue(what + " skip", state.skip == (overflow ? 1 : 0));
    expectTrue(what + " skipped steps", state.skippedSteps == (case_.withNorm && step >= 2 ? 1 : 0));
    if (case_.withNorm && !overflow) expectClose<float>(what + " norm", {state.norm}, {norm_});
    // Grown after every second step that held.
    const float grown = case_.settings.growthInterval == 0 ? scale
                        : overflow                         ? scale / 2
                        : step == 1                        ? scale * 2
                                                           : scale;
    expectTrue(what + " scale", state.scale == grown);
  }

  void moveExpected(int step, float scale) {
    const auto optimizer = referenceOf(case_.settings.rule);
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      auto& tensor = tensors_[t];
      if (!takesPart(t, step) || tensor.count == 0) continue;
      tensor.expected.gradient.clear();
      for (const double value : tensor.gradient.values())
        tensor.expected.gradient.push_back(static_cast<float>(value / scale * clip()));
      tensor.expected.rate = rates_[static_cast<std::size_t>(step * kGroups + tensor.group)];
      reference::step(optimizer, tensor.expected);
      tensor.expected.steps += 1;
    }
  }

  void expectTensor(std::size_t number, int step, float steps, bool moved) {
    const auto& tensor = tensors_[number];
    const std::string what =
        std::string(case_.name) + ", step " + std::to_string(step) + ", tensor " + std::to_string(number);
    expectClose<float>(what + " values", tensor.parameter.values(), floats(tensor.expected.values));
    for (std::size_t k = 0; k < tensor.slots.size(); ++k)
      expectClose<float>(what + " slot " + std::to_string(k), tensor.slots[k].values(),
                         floats(tensor.expected.slots[k]));
    if (tensor.count > 0) expectTrue(what + " steps", steps == tensor.expected.steps);
    if (!moved || number % 3 == 0) return;
    Values narrow;
    for (const double value : tensor.parameter.values())
      narrow.push_back(tensor.copy.storage == Storage::kFloat16 ? toDouble(rounded<__half>(value))
                                                                : toDouble(rounded<__nv_bfloat16>(value)));
    expectSame(what + " copy", tensor.copy.values(), narrow);
  }

  std::mt19937& random_;
  Case case_;
  cuda::Context context_;
  std::vector<Tensor> tensors_;
  Buffer<double> rates_;
  Buffer<cuda::StepState> state_{1};
  double norm_ = 0;
};

cuda::OptimizerSettings settings(const optim::Settings& rule) {
  cuda::OptimizerSettings to;
  to.rule = rule;
  to.mayOverflow = true;
  return to;
}

cuda::OptimizerSettings clipped(cuda::OptimizerSettings to, double maxNorm, int growthInterval) {
  to.maxNorm = maxNorm;
  to.growthInterval = growthInterval;
  return to;
}

/// No tensors at all, and gradients whose squares are beyond float32 without being wrong.
void testEdges() {
  const Buffer<cuda::StepState> state(1);
  state[0] = {};
  const cuda::Context context{nullptr, 1};
  cuda::gradientNorm({}, state.get(), nullptr, context);
  cuda::prepareStep({}, {}, nullptr, nullptr, state.get(), context);
  cuda::optimizerStep({}, {}, state.get(), context);
  expectTrue("nothing to step", state[0].row == 1 && state[0].skip == 0);

  const Buffer<float> parameter(Values{1, 2}, 0), gradient(Values{1e30, -1e30}, 0), steps(1), parts(1);
  const Buffer<cuda::OptimizerTensor> entries(1);
  entries[0] = {};
  entries[0].parameter = parameter.get();
  entries[0].gradient = gradient.get();
  entries[0].size = 2;
  const Buffer<cuda::Chunk> chunks(1);
  chunks[0] = {0, 0};
  const Buffer<cuda::StepFactors> factors(1);
  const Buffer<double> rates(cuda::kRateRows);
  for (std::size_t i = 0; i < rates.size(); ++i) rates[i] = 1;
  steps[0] = 0;
  auto sgd = settings(optim::Sgd{});
  sgd.maxNorm = 1;
  const cuda::OptimizerTable table{entries.get(), steps.get(), factors.get(), 1, chunks.get(), 1, rates.get(), 1};
  cuda::gradientNorm(table, state.get(), parts.get(), context);
  cuda::prepareStep(table, sgd, parts.get(), nullptr, state.get(), context);
  cuda::optimizerStep(table, sgd, state.get(), context);
  expectTrue("an infinite norm of finite gradients clips them to nothing",
             state[0].skip == 0 && parameter[0] == 1 && parameter[1] == 2);

  // A loss, or a gradient that nobody expects to overflow, stops all steps until the host takes that back.
  const Buffer<cuda::BatchResult> results(cuda::kRateRows);
  for (std::size_t i = 0; i < results.size(); ++i) results[i] = {};
  sgd.maxNorm = 0;
  gradient[0] = gradient[1] = 1;
  const auto step = [&] {
    const float before = parameter[0];
    cuda::gradientNorm(table, state.get(), parts.get(), context);
    cuda::prepareStep(table, sgd, parts.get(), results.get(), state.get(), context);
    cuda::optimizerStep(table, sgd, state.get(), context);
    return parameter[0] != before;
  };
  for (const bool mayOverflow : {true, false}) {
    sgd.mayOverflow = mayOverflow;
    state[0] = {};
    results[1].loss = mayOverflow ? NAN : INFINITY;
    expectTrue("a finite loss", step());
    expectTrue("a loss that is not finite", !step() && state[0].skip == 1 && state[0].broken == 1);
    expectTrue("a finite loss behind it", !step() && state[0].row == 3 && state[0].skippedSteps == 2);
    state[0].broken = 0;
    expectTrue("once it was told of", step() && state[0].skip == 0);
    gradient[1] = NAN;
    expectTrue("a gradient that is not finite", !step() && state[0].broken == (mayOverflow ? 0 : 1));
    gradient[1] = 1;
    expectTrue("a finite gradient behind it", step() == mayOverflow);
  }
}

/// A tensor of more chunks than a block has threads: what is wrong with the last value is seen, and the norm is that
/// of all.
void testManyChunks() {
  constexpr std::int64_t kSize = 257 * 16384 + 1;
  const Buffer<float> parameter(1), gradient(kSize), steps(1);
  for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = i + 1 == gradient.size() ? 3000 : 1;
  const Buffer<cuda::OptimizerTensor> entries(1);
  entries[0] = {};
  entries[0].parameter = parameter.get();
  entries[0].gradient = gradient.get();
  entries[0].size = kSize;
  const std::int64_t sizes[] = {kSize};
  const auto list = cuda::chunksOf(sizes);
  expectTrue("more chunks than threads", list.size() == 258);
  const Buffer<cuda::Chunk> chunks(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) chunks[i] = list[i];
  const Buffer<float> parts(list.size());
  const Buffer<cuda::StepFactors> factors(1);
  const Buffer<double> rates(cuda::kRateRows);
  for (std::size_t i = 0; i < rates.size(); ++i) rates[i] = 1;
  const Buffer<cuda::StepState> state(1);
  steps[0] = 0;
  const cuda::Context context{nullptr, 4};
  const cuda::OptimizerTable table{
      entries.get(), steps.get(), factors.get(), 1, chunks.get(), static_cast<int>(list.size()), rates.get(), 1};
  const auto prepare = [&] {
    state[0] = {};
    cuda::gradientNorm(table, state.get(), parts.get(), context);
    cuda::prepareStep(table, settings(optim::Sgd{}), parts.get(), nullptr, state.get(), context);
    return state[0];
  };
  const auto finite = prepare();
  expectClose<float>("the norm of many chunks", {finite.norm}, {std::sqrt(kSize - 1 + 9e6)});
  expectTrue("many finite gradients", finite.skip == 0);
  gradient[gradient.size() - 1] = NAN;
  expectTrue("the last of many gradients is not finite", prepare().skip == 1);
}

}  // namespace

int testOptimizer(std::mt19937& random) {
  using optim::Adam, optim::AdamW, optim::Lion, optim::NAdam, optim::Rmsprop, optim::Sgd;
  const Case cases[] = {
      {"sgd", settings(Sgd{}), 1, false, 1},
      {"sgd with momentum", settings(Sgd{0.9}), 1, false, 4},
      {"sgd with dampening", settings(Sgd{0.9, 0.3}), 1, false, 1},
      {"sgd with nesterov", clipped(settings(Sgd{0.9, 0, true}), 1, 0), 1, true, 4},
      {"adam", settings(Adam{}), 1, false, 1},
      {"adam, clipped and scaled", clipped(settings(Adam{}), 2, 2), 4096, true, 1},
      {"adamW", clipped(settings(AdamW{}), 0, 0), 1, true, 132},
      {"adamW, scaled", clipped(settings(AdamW{}), 1e6, 2), 256, true, 1},
      {"rmsprop", settings(Rmsprop{}), 1, false, 4},
      {"rmsprop, centered", settings(Rmsprop{0.9, 1e-3, 0, true}), 1, false, 1},
      {"rmsprop with momentum", clipped(settings(Rmsprop{0.95, 1e-3, 0.8}), 2, 2), 256, true, 1},
      {"rmsprop, centered, with momentum", settings(Rmsprop{0.9, 1e-3, 0.8, true}), 1, false, 4},
      {"nadam", settings(NAdam{}), 1, false, 1},
      {"nadam, decoupled", clipped(settings(NAdam{0.8, 0.99, 1e-6, 0.1, true}), 1, 2), 256, true, 4},
      {"lion", settings(Lion{}), 1, false, 1},
      {"lion, scaled", clipped(settings(Lion{0.8, 0.95}), 2, 2), 1024, true, 4},
  };
  testEdges();
  testManyChunks();
  for (const auto& tested : cases) OptimizerTest(random, tested).run();
  return static_cast<int>(std::size(cases)) + 2;
}
