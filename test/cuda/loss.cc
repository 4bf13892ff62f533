#include "cuda/loss.h"

#include "support/check.h"

namespace cuda = resnet_torch::cuda;

namespace {

struct Case {
  std::int64_t rows;
  int classes;
  int multiprocessors;
};

struct Kind {
  bool soft;
  double smoothing;
  bool weighted;
};

Values drawnProbabilities(std::mt19937& random, std::size_t rows, std::size_t classes) {
  std::uniform_real_distribution<double> uniform(0, 1);
  Values to;
  for (std::size_t row = 0; row < rows; ++row) {
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) sum += to.emplace_back(uniform(random));
    for (std::size_t c = 0; c < classes; ++c) to[row * classes + c] /= sum;
  }
  return Buffer<float>(to, 0).values();
}

/// Distinct in each row, since PyTorch says nothing of the order of equals.
template <class T>
Values drawnLogits(std::mt19937& random, std::size_t rows, std::size_t classes) {
  Values to;
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<int> order(classes);
    for (std::size_t c = 0; c < classes; ++c) order[c] = static_cast<int>(c);
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t c = 0; c < classes; ++c) to.push_back(toDouble(rounded<T>(0.0625 * order[c] - 2)));
  }
  return to;
}

template <class T>
void run(std::mt19937& random, const Case& shape, const Kind& kind, const std::string& name) {
  const auto rows = static_cast<std::size_t>(shape.rows), classes = static_cast<std::size_t>(shape.classes);
  const auto logitValues = drawnLogits<T>(random, rows, classes);
  const Buffer<T> logits(logitValues, 0), gradient(rows * classes);
  const Buffer<std::int64_t> labels(rows);
  std::vector<std::int64_t> labelValues;
  for (std::size_t i = 0; i < rows && !kind.soft; ++i)
    labelValues.push_back(labels[i] = static_cast<std::int64_t>(random() % classes));
  const Buffer<float> probabilities(kind.soft ? drawnProbabilities(random, rows, classes) : Values{}, 0);
  Values weights;
  for (std::size_t c = 0; c < classes && kind.weighted; ++c)
    weights.push_back(0.25 + 0.25 * static_cast<double>(c % 5));
  const Buffer<float> classWeights(weights, 0);
  const Buffer<float> scale(Values{1024}, 0);
  const Buffer<cuda::BatchResult> results(3);
  const Buffer<int> slot(1);
  slot[0] = 2;
  const Buffer<std::byte> workspace(cuda::lossWorkspace(shape.rows));

  cuda::Targets targets;
  if (kind.soft) {
    targets.probabilities = probabilities.get();
  } else {
    targets.labels = labels.get();
  }
  targets.smoothing = static_cast<float>(kind.smoothing);
  if (kind.weighted) targets.classWeights = classWeights.get();
  const cuda::Context context{nullptr, shape.multiprocessors};
  cuda::crossEntropy(logits.get(), shape.rows, shape.classes, targets, scale.get(), gradient.get(), results.get(),
                     slot.get(), workspace.get(), context);
  const auto& result = results[2];
  expectTrue(name + " images", result.images == shape.rows);
  if (rows == 0) {
    expectTrue(name + " of nothing", result.loss == 0 && result.top1 == 0 && result.top5 == 0);
    return;
  }
  auto expected = reference::crossEntropy(logitValues, shape.rows, shape.classes, labelValues, probabilities.values(),
                                          kind.smoothing, weights);
  expectClose<float>(name + " loss", {result.loss}, {expected.loss});
  for (auto& value : expected.gradient) value *= 1024;
  // It is a difference of a probability and a coefficient.
  Values sizes;
  double total = 0;
  for (std::size_t row = 0; row < rows; ++row)
    total += kind.weighted && !kind.soft ? weights[static_cast<std::size_t>(labelValues[row])] : 1;
  for (std::size_t i = 0; i < rows * classes; ++i) {
    const auto c = i % classes;
    const double target =
        kind.soft ? toDouble(probabilities[i]) : labels[i / classes] == static_cast<std::int64_t>(c);
    const double coefficient = (1 - kind.smoothing) * target + kind.smoothing / static_cast<double>(classes);
    sizes.push_back(1024 / total * (kind.weighted ? weights[c] : 1) * coefficient + std::abs(expected.gradient[i]));
  }
  expectClose<T>(name + " gradient", gradient.values(), expected.gradient, 1e-5, sizes);
  expectTrue(name + " top-1", result.top1 == expected.top1);
  expectTrue(name + " top-5", result.top5 == expected.top5);

  // Without a scale, a gradient and a slot: as an evaluation asks.
  if (shape.rows > 10) return;
  cuda::crossEntropy<T>(logits.get(), shape.rows, shape.classes, targets, nullptr, nullptr, results.get(), nullptr,
                        workspace.get(), context);
  expectTrue(name + " evaluation", results[0].loss == result.loss && results[0].top5 == result.top5);
}

/// The focal loss, of labels alone.
template <class T>
void runFocal(std::mt19937& random, const Case& shape, double gamma, bool weighted, const std::string& name) {
  const auto rows = static_cast<std::size_t>(shape.rows), classes = static_cast<std::size_t>(shape.classes);
  const auto logitValues = drawnLogits<T>(random, rows, classes);
  const Buffer<T> logits(logitValues, 0), gradient(rows * classes);
  const Buffer<std::int64_t> labels(rows);
  std::vector<std::int64_t> labelValues;
  for (std::size_t i = 0; i < rows; ++i)
    labelValues.push_back(labels[i] = static_cast<std::int64_t>(random() % classes));
  Values weights;
  for (std::size_t c = 0; c < classes && weighted; ++c) weights.push_back(0.25 + 0.25 * static_cast<double>(c % 5));
  const Buffer<float> classWeights(weights, 0), scale(Values{1024}, 0);
  const Buffer<cuda::BatchResult> results(2);
  const Buffer<int> slot(1);
  slot[0] = 1;
  const Buffer<std::byte> workspace(cuda::lossWorkspace(shape.rows));
  cuda::Targets targets;
  targets.labels = labels.get();
  if (weighted) targets.classWeights = classWeights.get();
  cuda::focalLoss(logits.get(), shape.rows, shape.classes, targets, static_cast<float>(gamma), scale.get(),
                  gradient.get(), results.get(), slot.get(), workspace.get(), {nullptr, shape.multiprocessors});
  auto expected = reference::focalLoss(logitValues, shape.rows, shape.classes, labelValues, gamma, weights);
  expectClose<float>(name + " loss", {results[1].loss}, {expected.loss});
  // A small gradient is a difference of larger values.
  Values sizes;
  for (std::size_t i = 0; i < rows * classes; ++i) {
    expected.gradient[i] *= 1024;
    const auto label = static_cast<std::size_t>(labelValues[i / classes]);
    sizes.push_back(1024 / static_cast<double>(rows) * (weighted ? weights[label] : 1) * (1 + gamma) +
                    std::abs(expected.gradient[i]));
  }
  expectClose<T>(name + " gradient", gradient.values(), expected.gradient, 1e-5, sizes);
  expectTrue(name + " counts",
             results[1].top1 == expected.top1 && results[1].top5 == expected.top5 && results[1].images == shape.rows);
}

struct Outcome {
  cuda::BatchResult result;
  Values gradient;
};
Outcome lossOf(const Values& logitValues, std::int64_t label) {
  const Buffer<float> logits(logitValues, 0), gradient(logitValues.size());
  const Buffer<std::int64_t> labels(1);
  labels[0] = label;
  const Buffer<cuda::BatchResult> results(1);
  const Buffer<std::byte> workspace(cuda::lossWorkspace(1));
  cuda::Targets targets;
  targets.labels = labels.get();
  cuda::crossEntropy(logits.get(), 1, static_cast<int>(logitValues.size()), targets, nullptr, gradient.get(),
                     results.get(), nullptr, workspace.get(), {nullptr, 1});
  return {results[0], gradient.values()};
}

/// Equals, large logits, and values that are no numbers.
void testSpecialValues() {
  const Values equal(7, 0.5);
  for (std::int64_t label = 0; label < 7; ++label) {
    const auto [result, gradient] = lossOf(equal, label);
    expectTrue("of equals, the first is the highest", result.top1 == (label == 0 ? 1 : 0));
    expectTrue("of equals, the first five are among five", result.top5 == (label < 5 ? 1 : 0));
  }
  const auto large = lossOf({3e4, -3e4, 2.9e4}, 0);
  expectTrue("large logits", large.result.loss == 0 && large.gradient[0] == 0);
  const auto masked = lossOf({1, -INFINITY, 1}, 2);
  expectClose<float>("a class that cannot be", {masked.result.loss}, {std::log(2.0)});
  expectTrue("its gradient", masked.gradient[1] == 0);
  const auto broken = lossOf({1, NAN, 0}, 0);
  expectTrue("what is not a number", std::isnan(broken.result.loss) && broken.result.top1 == 0);
}

/// A focal loss learns nothing from what is certain, and all there is from what is certainly wrong.
void testCertainLabels() {
  const Buffer<float> logits(Values{3e3, 0, 0, 3e3}, 0), gradient(4);
  const Buffer<std::int64_t> labels(2);
  labels[0] = labels[1] = 0;
  const Buffer<cuda::BatchResult> results(1);
  const Buffer<std::byte> workspace(cuda::lossWorkspace(2));
  cuda::Targets targets;
  targets.labels = labels.get();
  for (const float gamma : {0.0F, 0.5F, 2.0F}) {
    cuda::focalLoss<float>(logits.get(), 2, 2, targets, gamma, nullptr, gradient.get(), results.get(), nullptr,
                           workspace.get(), {nullptr, 1});
    expectTrue("a certain label", results[0].loss == 1500 && gradient[0] == 0 && gradient[1] == 0);
    expectTrue("a wrong one", gradient[2] == -0.5F && gradient[3] == 0.5F);
  }
}

}  // namespace

int testLoss(std::mt19937& random) {
  const Case cases[] = {{0, 10, 1},
                        {1, 2, 1},
                        {5, 3, 1},
                        {33, 20, 1},
                        {50, 5, 1},
                        {16, 101, 2},
                        {9, 1000, 132},
                        // More rows than a block has threads.
                        {300, 5, 2}};
  const Kind kinds[] = {{false, 0, false}, {false, 0.1, false}, {false, 0, true}, {false, 0.1, true},
                        {true, 0, false},  {true, 0.2, true},   {true, 0, true}};
  int count = 0;
  testSpecialValues();
  testCertainLabels();
  forEachType([&](auto type, const std::string& name) {
    for (const auto& shape : cases)
      for (const auto& kind : kinds) {
        // The types differ in loads and stores alone.
        const bool some = &kind - kinds == 3 || &kind - kinds == 5;
        const bool many = shape.rows > 256;
        if (!some && (!std::is_same_v<decltype(type), float> || (&shape - cases > 3 && !many))) continue;
        run<decltype(type)>(
            random, shape, kind,
            name + " loss, case " + std::to_string(&shape - cases) + "." + std::to_string(&kind - kinds));
        ++count;
      }
    for (const auto& shape : cases)
      for (const double gamma : {0.0, 0.5, 2.0}) {
        if (shape.rows == 0 || (gamma != 2 && !std::is_same_v<decltype(type), float>)) continue;
        runFocal<decltype(type)>(
            random, shape, gamma, /*weighted=*/shape.rows % 2 == 0,
            name + " focal, case " + std::to_string(&shape - cases) + ", gamma " + std::to_string(gamma));
        ++count;
      }
  });
  return count + 2;
}
