#include "captured.h"
#include "device_start.h"
#include "recording.h"
#include "runs.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "core/executor.h"
#include "feeding.h"
#include "inference.h"
#include "launches.h"

namespace optim = resnet_torch::optim;

namespace {

constexpr int kHead = 17, kLayer4 = 14;
constexpr std::int64_t kMost = 530'000;

optim::Settings sgd() {
  return optim::Sgd{0.9};
}

/// Adam or AdamW, with an eps for which gradients near zero, whose sign is chance, move little.
template <class Rule>
optim::Settings adam() {
  Rule rule;
  rule.eps = 1e-3;
  return rule;
}

void expectClose(const std::string& what, double got, double expected, double tolerance) {
  expect(std::abs(got - expected) <= tolerance * std::max(1.0, std::abs(expected)),
         what + ": " + std::to_string(got) + " and not " + std::to_string(expected));
}

struct Trained {
  std::vector<StepResult> results;
  std::map<std::string, at::Tensor> start, values;
  std::vector<double> drift;
};

Trained trained(const Plan& plan, int steps, bool device) {
  computeOnDevice(device);
  Run run(plan);
  Trained trained;
  trained.start = run.values();
  std::vector<double> rates;
  for (int i = 0; i < std::min(steps, 64); ++i) {
    const auto row = ratesOf(i);
    rates.insert(rates.end(), row.end() - static_cast<std::ptrdiff_t>(run.session->groups()), row.end());
  }
  run.session->plan(rates);
  const auto take = [&](bool all) {
    for (const auto& result : run.session->takeResults(all)) trained.results.push_back(result);
  };
  for (int i = 0; i < steps; ++i) {
    run.queue(i);
    take(false);
  }
  take(true);
  run.session->throwPostponed();
  expect(static_cast<int>(trained.results.size()) == steps, "every step has a result");
  trained.values = run.values();
  trained.drift = run.session->drift();
  return trained;
}

/// Training on the device's path against the CPU's: losses and statistics of drift, and the way that values have
/// come.
void expectSameTraining(const Plan& plan, int steps, double tolerance) {
  const auto device = trained(plan, steps, true), host = trained(plan, steps, false);
  for (std::size_t i = 0; i < host.results.size(); ++i) {
    expectClose("loss " + std::to_string(i), device.results[i].loss, host.results[i].loss, tolerance);
    expect(device.results[i].correct == host.results[i].correct, "counts of step " + std::to_string(i));
  }
  const double apart = distance(device.values, host.values, host.start);
  std::printf("apart by %.2g of the way\n", apart);
  expect(apart <= tolerance, "the values are apart by " + std::to_string(apart) + " of the way");
  for (std::size_t unit = 0; unit < host.drift.size(); ++unit)
    expectClose("drift", device.drift[unit], host.drift[unit], tolerance);
}

/// One step: behind so many BatchNorms float32 is chaotic, on the CPU against itself too.
void wholeNetwork() {
  expectSameTraining({0, 40'000, "", sgd(), {}}, 1, 6e-2);
}

/// The device's path takes images of four channels, and trains what it does of three.
void threeChannels() {
  computeOnDevice(true);
  for (const char* statistics : {"", "none"}) {
    const Plan plan{0, 10'000, statistics, sgd(), {}};
    std::map<std::string, at::Tensor> values[2], start;
    for (const std::int64_t channels : {3, 4}) {
      Run run(plan);
      start = run.values();
      run.channels = channels;
      run.step(0);
      values[channels - 3] = run.values();
      expect(run.model->find("conv1.weight").tensor.size(1) == 3, "a weight of three channels");
    }
    const double apart = distance(values[1], values[0], start);
    std::printf("three and four channels are apart by %.2g of the way\n", apart);
    expect(apart <= (*statistics ? 2e-2 : 6e-2), "apart by " + std::to_string(apart));
    expect(!same({{"conv1.weight", values[1].at("conv1.weight")}}, {{"conv1.weight", start.at("conv1.weight")}}),
           "the stem trains");
  }
}

/// BatchNorm in evaluation mode, and only some of them: folded and fused layers side by side.
void someStatistics() {
  expectSameTraining({kLayer4, kMost, "bn2", adam<optim::AdamW>(), {}}, 2, 2e-2);
  expectSameTraining({kLayer4, kMost, "bn3", adam<optim::Adam>(), {}}, 2, 2e-2);
  expectSameTraining({kLayer4, kMost, "none", sgd(), {}}, 2, 2e-2);
}

/// More steps than rows of rates, and of each optimizer more than are read at once.
void manySteps() {
  expectSameTraining({kHead, kMost, "", adam<optim::Adam>(), {}}, 66, 1e-2);
  expectSameTraining({kHead, kMost, "", adam<optim::AdamW>(), {}}, 10, 1e-2);
  expectSameTraining({kHead, kMost, "", sgd(), {}}, 10, 1e-2);
}

/// Losses that are asked for by options.
void otherLosses() {
  const std::vector<double> weights = {0.5, 2, 1, 4, 1};
  Plan plan{kHead, kMost, "", sgd(), {}};
  for (const auto& loss : {resnet_torch::train::LossSettings{"cross-entropy", 0.2, 0, {}},
                           {"cross-entropy", 0, 0, weights},
                           {"cross-entropy", 0.1, 0, weights},
                           {"focal", 0, 2, {}},
                           {"focal", 0, 0.5, weights}}) {
    plan.loss = loss;
    expectSameTraining(plan, 3, 1e-3);
  }
}

/// Gradients that are clipped in some steps, or in all, scaled or not.
void clippedGradients() {
  Plan plan{kHead, kMost, "", sgd(), {}};
  for (const double norm : {0.1, 1.0, 100.0}) {
    plan.clipNorm = norm;
    expectSameTraining(plan, 3, 1e-3);
  }
}

void expectThrown(Session& session) {
  try {
    session.throwPostponed();
  } catch (const resnet_torch::Error& error) {
    expect(std::string(error.code()) == "ERR_NON_FINITE", "the code of a step that does not hold");
    return;
  }
  throw Wrong("a step that does not hold is an error");
}

/// A loss that is not finite is told of after the steps before it, and its step changes nothing, the running
/// statistics included.
void brokenStep() {
  const Plan plan{kLayer4, 40'000, "", sgd(), {}};
  computeOnDevice(true);
  Run run(plan);
  run.step(0);
  const auto before = run.values();
  run.queue(1, NAN);
  run.session->takeResults(true);
  expect(run.session->failed(), "a loss that is not finite is an error");
  expectThrown(*run.session);
  expect(same(run.values(), before), "a step that does not hold changes nothing");
  run.queue(2);
  run.queue(3, NAN);
  run.queue(4);
  expect(run.session->takeResults(true).size() == 1, "the steps before it are told of");
  expect(run.session->failed(), "and then the error");
  expectThrown(*run.session);
  const auto told = run.values();
  run.queue(5, NAN);
  run.queue(6);
  run.session->takeResults(true);
  expect(same(run.values(), told), "nothing trains behind it");
  expectThrown(*run.session);
  run.step(7);
  expect(!same(run.values(), told), "until it was told of");
}

/// Losses times a scale train as they do without; where that overflows, steps are passed over until it is small
/// enough, and nobody is told.
void scaledLosses() {
  const Plan plain{kHead, kMost, "", sgd(), {}};
  auto scaled = plain;
  scaled.scale = {65536, 2, 2, 0.5, true};
  const auto expected = trained(plain, 6, true), got = trained(scaled, 6, true);
  const double apart = distance(got.values, expected.values, expected.start);
  expect(apart < 1e-4, "scaled by powers of two: apart by " + std::to_string(apart));

  auto tooLarge = plain;
  tooLarge.scale = {3e38, 1000, 2, 1.0 / 1024, true};
  Run run(tooLarge);
  const auto before = run.values();
  int skipped = -1;
  for (bool moved = false; !moved && skipped < 10; ++skipped) {
    run.queue(0, 1e4);
    run.session->takeResults(true);
    expect(!run.session->failed(), "an overflow of scaled gradients is no error");
    moved = !same(run.values(), before);
  }
  expect(skipped < 10, "training goes on at a lower scale");
  expect(skipped > 0, "steps that overflow are passed over");
}

std::vector<resnet_torch::model::StoredTensor> storedAt(const std::string& path);

/// State goes from the device to the CPU and back, and training goes on as if it had stayed.
void movedState() {
  const auto folder = std::filesystem::temp_directory_path() / ("resnet-torch-state-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto path = (folder / "state.safetensors").string();
  for (const auto& settings : {sgd(), adam<optim::Adam>()}) {
    const Plan plan{kHead, kMost, "", settings, {}};
    for (const bool device : {false, true}) {
      computeOnDevice(device);
      Run first(plan);
      const auto start = first.values();
      for (int i = 0; i < 3; ++i) first.step(i);
      first.session->stageState(path, {}).commit();
      const auto weights = first.values();
      first.step(3);
      const auto expected = first.values();

      computeOnDevice(!device);
      Run second(plan);
      for (const auto& entry : second.model->tensors()) {
        const at::NoGradGuard noGrad;
        entry.tensor.detach().copy_(weights.at(entry.name));
      }
      second.session->loadState(path, storedAt(path));
      for (int i = 0; i < 3; ++i) second.session->nextOwnAddress(4);
      second.step(3);
      const double apart = distance(second.values(), expected, start);
      expect(apart < 1e-3, "moved, the next step is apart by " + std::to_string(apart));
    }
  }
  std::filesystem::remove_all(folder);
}

/// The tensors of a file that this program wrote: names, types, shapes and places from its header.
std::vector<resnet_torch::model::StoredTensor> storedAt(const std::string& path) {
  auto* file = std::fopen(path.c_str(), "rb");
  std::uint64_t length = 0;
  expect(file && std::fread(&length, sizeof length, 1, file) == 1, "the state was written");
  std::string header(length, ' ');
  expect(std::fread(header.data(), 1, length, file) == length, "the state has a header");
  std::fclose(file);
  std::vector<resnet_torch::model::StoredTensor> tensors;
  for (std::size_t at = header.find("\":{\"dtype\":\""); at != std::string::npos;
       at = header.find("\":{\"dtype\":\"", at + 1)) {
    resnet_torch::model::StoredTensor tensor;
    const auto quote = header.rfind('"', at - 1);
    tensor.name = header.substr(quote + 1, at - quote - 1);
    tensor.dtype = header.substr(at + 12, 3);
    const auto numbers = [&](const char* key) {
      std::vector<std::int64_t> values;
      auto from = header.find(key, at) + std::string(key).size();
      for (auto end = header.find(']', from); from < end; from = header.find_first_of(",]", from) + 1)
        values.push_back(std::stoll(header.substr(from)));
      return values;
    };
    tensor.shape = numbers("\"shape\":[");
    const auto places = numbers("\"data_offsets\":[");
    tensor.offset = 8 + length + static_cast<std::uint64_t>(places[0]);
    tensor.length = static_cast<std::uint64_t>(places[1] - places[0]);
    tensors.push_back(tensor);
  }
  return tensors;
}

/// Steps with some gradients of the caller's, between steps of the session's own.
void callersGradients() {
  const Plan plan{kHead, kMost, "", adam<optim::Adam>(), {}};
  std::map<std::string, at::Tensor> values[2], start;
  for (const bool device : {false, true}) {
    computeOnDevice(device);
    Run run(plan);
    start = run.values();
    run.step(0);
    const auto rates = ratesOf(1);
    run.session->apply({{"fc.3.weight", at::full({5 * 16}, 0.25, at::kFloat)}}, std::span(rates).last(1));
    run.step(2);
    values[device ? 1 : 0] = run.values();
  }
  expect(distance(values[1], values[0], start) < 1e-3, "the caller's gradients");
}

}  // namespace

int main(int count, char** words) {
  const std::map<std::string, std::function<void()>> cases = {{"whole-network", wholeNetwork},
                                                              {"some-statistics", someStatistics},
                                                              {"many-steps", manySteps},
                                                              {"broken-step", brokenStep},
                                                              {"scaled-losses", scaledLosses},
                                                              {"other-losses", otherLosses},
                                                              {"clipped-gradients", clippedGradients},
                                                              {"moved-state", movedState},
                                                              {"callers-gradients", callersGradients},
                                                              {"three-channels", threeChannels},
                                                              {"fed-by-loader", fedByLoader},
                                                              {"features-on-device", featuresOnDevice},
                                                              {"device-features", deviceFeatures},
                                                              {"early-reuse", earlyReuse},
                                                              {"out-of-memory", outOfMemory},
                                                              {"when-recorded", whenRecorded},
                                                              {"replayed-steps", replayedSteps},
                                                              {"recorded-anew", recordedAnew},
                                                              {"broken-replay", brokenReplay},
                                                              {"baked-in", bakedIn},
                                                              {"narrow-copies", narrowCopies},
                                                              {"narrow-session", narrowSession},
                                                              {"searched-batches", searchedBatches},
                                                              {"recording-order", recordingOrder},
                                                              {"recording-fails", recordingFails},
                                                              {"idle-device", idleDevice},
                                                              {"allocated-later", allocatedLater},
                                                              {"kernel-without-memory", kernelWithoutMemory},
                                                              {"search-of-two", searchOfTwo},
                                                              {"step-launches", stepLaunches},
                                                              {"plain-convolutions", plainConvolutions},
                                                              {"padded-predictions", paddedPredictions},
                                                              {"evaluation-in-one-read", evaluationInOneRead},
                                                              {"evaluation-not-finite", evaluationNotFinite}};
  if (count != 2 || !cases.contains(words[1])) return 2;
  try {
    cases.at(words[1])();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
