#include "captured.h"

#include <ATen/Context.h>
#include <ATen/record_function.h>

#include <cmath>

#include "cuda/optimizer.h"
#include "cuda/step_recorder.h"
#include "cuda/training_step.h"
#include "recorder.h"
#include "runs.h"
#include "train/captured_step.h"

namespace cuda = resnet_torch::cuda;
namespace model = resnet_torch::model;
namespace optim = resnet_torch::optim;
namespace train = resnet_torch::train;

namespace {

constexpr int kHead = 17, kLastBlock = 16, kLayer4 = 14;
constexpr std::int64_t kMost = 530'000;
using host_recorder::Counts;

optim::Settings adam() {
  optim::Adam rule;
  rule.eps = 1e-3;
  return rule;
}

Plan recorded(Plan plan) {
  plan.cudaGraph = true;
  return plan;
}

/// Writes down what it is asked for: rehearse, Capture, play.
class Script final : public train::StepRecorder {
 public:
  explicit Script(std::string& told) : told_(told) {}
  void rehearse(const std::function<void()>& work) override { done('r', work); }
  void record(const std::function<void()>& work) override { done('C', work); }
  void replay() override { told_ += 'p'; }

 private:
  void done(char what, const std::function<void()>& work) {
    told_ += what;
    work();
  }
  std::string& told_;
};

bool throws(const std::function<void()>& work) {
  try {
    work();
    return false;
  } catch (const std::exception&) {
    return true;
  }
}

/// Losses of a sequence of batches, of so many images each.
std::vector<double> losses(Run& run, const std::vector<std::int64_t>& batches) {
  std::vector<double> losses, rates;
  for (std::size_t i = 0; i < std::min<std::size_t>(batches.size(), 64); ++i) {
    const auto row = ratesOf(static_cast<int>(i));
    rates.insert(rates.end(), row.end() - static_cast<std::ptrdiff_t>(run.session->groups()), row.end());
  }
  run.session->plan(rates);
  const auto take = [&](bool all) {
    for (const auto& result : run.session->takeResults(all)) losses.push_back(result.loss);
  };
  for (std::size_t i = 0; i < batches.size(); ++i) {
    run.queue(static_cast<int>(i), 1, batches[i]);
    take(false);
  }
  take(true);
  run.session->throwPostponed();
  expect(losses.size() == batches.size(), "every step has a result");
  return losses;
}

void expectSameAsPlain(const Plan& plan, const std::vector<std::int64_t>& batches, const Counts& counts) {
  Run plain(plan);
  const auto expected = losses(plain, batches);
  host_recorder::counts() = {};
  Run replayed(recorded(plan));
  expect(losses(replayed, batches) == expected, "losses of replayed steps");
  expect(same(replayed.values(), plain.values()), "values after replayed steps");
  const auto& got = host_recorder::counts();
  expect(got == counts, std::to_string(got.rehearsals) + " rehearsals, " + std::to_string(got.records) +
                            " recordings and " + std::to_string(got.replays) + " replays");
}

}  // namespace

/// Which steps are recorded, replayed, or made plainly.
void whenRecorded() {
  std::string told;
  double seen = 0;
  bool fails = false;
  train::CapturedStep step(std::make_unique<Script>(told), [&](const train::StepInputs& inputs) {
    seen = inputs.input.sum().item<double>();
    if (fails) throw Wrong("while it is recorded");
  });
  const auto run = [&](std::int64_t images, std::uint64_t network = 1, at::ScalarType dtype = at::kFloat) {
    step.run({at::ones({images, 3}, dtype), at::zeros({images}, at::kLong), {at::ones({images, 2})}}, network);
  };
  const auto expectTold = [&](const std::string& expected, const std::string& what) {
    expect(told == expected, what + ": " + told + " and not " + expected);
    told.clear();
  };
  for (int i = 0; i < 5; ++i) run(4);
  expectTold("rrrCpp", "a shape that stays");
  for (int epoch = 0; epoch < 5; ++epoch) {
    run(2);
    run(4);
  }
  expectTold("rprprprprp", "the last batch of an epoch");
  run(2);
  run(3);
  run(2);
  run(4);
  expectTold("rrrp", "shapes that change");
  for (int i = 0; i < 5; ++i) run(2);
  expectTold("rrrCpp", "another shape that stays");
  run(4);
  expectTold("r", "the shape before it");
  for (int i = 0; i < 5; ++i) run(2, 2);
  expectTold("rrrCpp", "another network");
  for (int i = 0; i < 5; ++i) run(2, 2, at::kDouble);
  expectTold("rrrCpp", "another type");
  for (int i = 0; i < 3; ++i) run(8);
  expect(seen == 24, "the work is given the inputs");
  fails = true;
  expect(throws([&] { run(8); }), "a failure of the step itself is told");
  fails = false;
  run(8);
  run(8);
  expectTold("rrrC", "a recording that failed is not tried again");
}

/// Bit for bit, with other images, labels, masks and rates in every step, and batches that are not whole.
void replayedSteps() {
  computeOnDevice(true);
  expectSameAsPlain({kHead, kMost, "", adam(), {}}, {4, 4, 4, 4, 4, 4, 3, 4, 4, 3, 4, 4}, {5, 1, 7});
  expectSameAsPlain({kLayer4, 40'000, "", adam(), {}}, {4, 4, 4, 4, 4}, {3, 1, 2});
  expectSameAsPlain({kLastBlock, 40'000, "bn2", adam(), {}}, {4, 4, 4, 4, 4}, {3, 1, 2});
}

/// Once weights were loaded, and when the size of batches changes for good; steps with the caller's gradients and
/// gradients alone do not matter.
void recordedAnew() {
  computeOnDevice(true);
  std::map<std::string, at::Tensor> values[2];
  for (const bool graph : {false, true}) {
    Plan plan{kHead, kMost, "", adam(), {}};
    plan.cudaGraph = graph;
    host_recorder::counts() = {};
    Run run(plan);
    for (int i = 0; i < 5; ++i) run.step(i);
    const auto rates = ratesOf(1);
    run.session->apply({{"fc.3.weight", at::full({5 * 16}, 0.25, at::kFloat)}}, std::span(rates).last(1));
    run.step(5);
    {
      const at::NoGradGuard noGrad;
      run.model->find("fc.3.bias").tensor.detach().fill_(0.5);
      run.model->setLoaded("fc.3.bias");
    }
    for (int i = 6; i < 11; ++i) run.step(i);
    for (int i = 11; i < 16; ++i) {
      run.queue(i, 1, 2);
      run.session->takeResults(/*all=*/true);
    }
    values[graph ? 1 : 0] = run.values();
    if (graph) expect(host_recorder::counts() == Counts{9, 3, 7}, "a recording a network and shape");
  }
  expect(same(values[1], values[0]), "values after three recordings");
}

/// A replayed step whose loss is not finite changes nothing, and neither do those behind it, until it was told of.
void brokenReplay() {
  computeOnDevice(true);
  Run run(recorded({kLastBlock, 40'000, "", adam(), {}}));
  for (int i = 0; i < 4; ++i) run.step(i);
  const auto before = run.values();
  run.queue(4, NAN);
  run.queue(5);
  run.queue(6);
  expect(run.session->takeResults(true).empty(), "nothing is told behind it");
  expect(run.session->failed(), "a loss that is not finite is an error");
  expect(throws([&] { run.session->throwPostponed(); }), "which is told once");
  expect(same(run.values(), before), "nothing trains behind a loss that is not finite");
  run.step(7);
  expect(!same(run.values(), before), "training may go on once it was told of");
}

/// The stand-in for a graph finds what a graph would not do again.
void bakedIn() {
  const auto replayedTwice = [](const std::function<void()>& work) {
    const auto recorder = cuda::makeStepRecorder(at::kCPU);
    recorder->record(work);
    recorder->replay();
    recorder->replay();
  };
  const auto values = at::ones({100});
  expect(!throws([&] { replayedTwice([&] { values.add_(at::ones({100}).mul_(2)); }); }), "the same work");
  int count = 0;
  expect(throws([&] { replayedTwice([&] { values.mul_(++count); }); }), "a scalar of the host that varies");
  const std::vector<at::Tensor> places = {at::ones({100}), at::ones({100})};
  count = 0;
  expect(throws([&] { replayedTwice([&] { values.add_(places.at(static_cast<std::size_t>(count++))); }); }),
         "another tensor");
  expect(throws([&] { replayedTwice([&] { values.add_(values.sum().item<double>()); }); }),
         "a value that the host reads");
  at::Tensor kept;
  expect(throws([&] {
           replayedTwice([&] {
             if (!kept.defined()) kept = at::ones({100});
             values.add_(kept);
           });
         }),
         "what is made once");
  cuda::StepState state;
  cuda::OptimizerSettings settings;
  const auto prepare = [&] { cuda::prepareStep({}, settings, nullptr, nullptr, &state, {nullptr, 1}); };
  expect(!throws([&] { replayedTwice(prepare); }), "the same launch");
  expect(throws([&] {
           replayedTwice([&] {
             settings.growth += 1;
             prepare();
           });
         }),
         "another argument of a kernel");
}

/// The optimizer's step writes weights rounded as PyTorch rounds them, and leaves them where a step is skipped.
void narrowCopies() {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    Network network(model::architecture("resnet50"), {5, {}, 0}, at::kFloat, at::kCPU, 1);
    network.initialise();
    model::Trainability trainability;
    optim::Group group{"all", {}, 0.01};
    for (const auto& entry : network.tensors()) {
      if (!entry.parameter || !entry.name.starts_with("layer1.0.")) continue;
      trainability.parameters.insert(entry.name);
      group.parameters.push_back({entry.name, entry.tensor});
    }
    // The last two layers' weights are folded: they have no copies.
    trainability.batchNormTraining = {"layer1.0.bn1", "layer1.0.bn2"};
    model::TrainableSuffix suffix(network, 1, trainability, dtype);
    const auto copies = suffix.keepCopies();
    expect(copies.size() == 2, "copies of two weights");
    optim::Optimizer optimizer(adam(), {group});
    optimizer.reserve();
    const auto step = cuda::makeTrainingStep(optimizer, {});
    step->keepCopies(copies);
    const auto expectRounded = [&](const std::string& what) {
      for (const auto& [weight, copy] : copies)
        expect(copy.equal(weight.detach().to(dtype)), what + ": a copy is the weight rounded");
    };
    expectRounded("at first");
    const double rate = 1e-2;
    const auto before = copies[0].copy.clone();
    for (int i = 0; i < 4; ++i) {
      for (const auto& place : optimizer.places()) place.gradient.normal_();
      if (i == 2) optimizer.places()[0].gradient.view(-1)[7].fill_(INFINITY);
      const auto weight = copies[0].weight.detach().clone();
      step->begin({&rate, 1});
      step->prepare(/*withLoss=*/false);
      step->step();
      step->end(/*withLoss=*/false);
      expect(step->finished(/*all=*/true).skipped == (i == 2), "a gradient that is not finite skips a step");
      expect(copies[0].weight.equal(weight) == (i == 2), "weights move");
      expectRounded("step " + std::to_string(i));
    }
    expect(!copies[0].copy.equal(before), "copies move");
  }
}

/// A session in 16 bits goes on from copies as from weights that are rounded anew.
void narrowSession() {
  computeOnDevice(true);
  std::map<std::string, at::Tensor> values[2];
  for (const bool anew : {false, true}) {
    Plan plan{kLayer4, kMost, "", adam(), {}};
    plan.compute = at::kBFloat16;
    Run run(plan);
    const auto start = run.values();
    for (int i = 0; i < 2; ++i) {
      if (anew) run.model->setLoaded("fc.3.bias");
      run.step(i);
    }
    values[anew ? 1 : 0] = run.values();
    expect(!values[anew ? 1 : 0].at("layer4.0.conv1.weight").equal(start.at("layer4.0.conv1.weight")),
           "a convolution trains");
  }
  expect(same(values[1], values[0]), "copies are the weights rounded");
}

namespace {
int searched = 0, plain = 0;
}

/// cuDNN searches for the batches that come often, and for no others.
void searchedBatches() {
  computeOnDevice(true);
  Plan plan{kLastBlock, 40'000, "", adam(), {}};
  plan.searchedBatch = 4;
  Run run(plan);
  const auto handle = at::addGlobalCallback(
      at::RecordFunctionCallback([](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
        if (std::string(function.name()) == "aten::conv2d")
          ++(at::globalContext().benchmarkCuDNN() ? searched : plain);
        return nullptr;
      }).scopes({at::RecordScope::FUNCTION}));
  run.step(0);
  expect(searched > 0 && plain == 0, "a batch of the size that is searched for");
  const int before = std::exchange(searched, 0);
  run.queue(1, 1, 3);
  run.session->takeResults(true);
  expect(searched == 0 && plain == before, "a batch of another size");
  expect(!at::globalContext().benchmarkCuDNN(), "nobody else searches");
  at::removeCallback(handle);
}
