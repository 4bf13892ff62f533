#include "cuda/fold.h"

#include "cuda/gradient_copies.h"
#include "support/check.h"

namespace cuda = resnet_torch::cuda;

namespace {

struct Case {
  int outputs, inputs, places;  ///< places: of the kernel, 1 or 9
  int more;                     ///< channels that the gradient has beyond the weight's
};

/// A BatchNorm in evaluation mode.
struct Norm {
  Norm(std::mt19937& random, std::size_t channels)
      : weight(drawn<float>(random, channels, 1, 0.3), 0),
        bias(drawn<float>(random, channels), 0),
        mean(drawn<float>(random, channels), 0),
        variance(channels) {
    std::uniform_real_distribution<float> uniform(0.1F, 3);
    for (std::size_t c = 0; c < channels; ++c) variance[c] = uniform(random);
  }
  cuda::EvaluatedNorm pointers() const { return {weight.get(), bias.get(), mean.get(), variance.get()}; }
  double deviation(std::size_t c) const { return std::sqrt(variance[c] + 1e-5); }
  double scale(std::size_t c) const { return weight[c] / deviation(c); }
  double shift(std::size_t c) const { return bias[c] - mean[c] * scale(c); }

  Buffer<float> weight, bias, mean, variance;
};

template <class T>
void run(std::mt19937& random, const Case& shape, const std::string& name) {
  const auto outputs = static_cast<std::size_t>(shape.outputs);
  const auto own = static_cast<std::size_t>(shape.inputs), from = own + static_cast<std::size_t>(shape.more);
  const auto places = static_cast<std::size_t>(shape.places), each = own * places;
  const cuda::Context context{nullptr, 2};
  const cuda::FoldedShape sizes{shape.outputs, static_cast<std::int64_t>(each)};
  const auto weights = drawn<float>(random, outputs * each);
  const Buffer<float> weight(weights, 0), shift(outputs);
  const Norm norm(random, outputs), second(random, outputs);
  const Buffer<T> folded(outputs * each), bias(outputs);
  for (const bool both : {false, true}) {
    cuda::foldNorm(weight.get(), sizes, norm.pointers(), both ? second.pointers() : cuda::EvaluatedNorm{},
                   folded.get(), bias.get(), shift.get(), context);
    Values expected, shifts, biases;
    for (std::size_t i = 0; i < outputs * each; ++i)
      expected.push_back(toDouble(rounded<T>(static_cast<float>(weights[i] * norm.scale(i / each)))));
    for (std::size_t c = 0; c < outputs; ++c) {
      shifts.push_back(static_cast<float>(norm.shift(c) + (both ? second.shift(c) : 0)));
      biases.push_back(toDouble(rounded<T>(shifts[c])));
    }
    expectSame(name + " weight", folded.values(), expected);
    expectClose<float>(name + " shift", shift.values(), shifts, 1e-7);
    expectClose<T>(name + " bias", bias.values(), biases, 1e-7);
  }

  const auto raw = drawn<T>(random, outputs * from * places);
  const auto sums = drawn<float>(random, outputs);
  const Buffer<T> gradient(raw, 0);
  const Buffer<float> sum(sums, 0), weightGradient(outputs * each), scaleGradient(outputs), biasGradient(outputs);
  cuda::FoldedGradients<T> pass;
  pass.gradient = gradient.get();
  pass.from = static_cast<int>(from);
  pass.own = static_cast<int>(own);
  pass.sum = sum.get();
  pass.weight = weight.get();
  pass.weightGradient = weightGradient.get();
  pass.scaleGradient = scaleGradient.get();
  pass.biasGradient = biasGradient.get();
  cuda::foldedGradients(pass, sizes, norm.pointers(), context);
  Values byWeight, byScale, terms;
  for (std::size_t c = 0; c < outputs; ++c) {
    double product = 0, squares = 0;
    for (std::size_t i = c * each; i < (c + 1) * each; ++i) {
      const double value = raw[i / own * from + i % own];
      byWeight.push_back(value * norm.scale(c));
      product += value * weights[i];
      squares += value * value * weights[i] * weights[i];
    }
    byScale.push_back((product - norm.mean[c] * sums[c]) / norm.deviation(c));
    terms.push_back((std::sqrt(squares) + std::abs(norm.mean[c] * sums[c])) / norm.deviation(c));
  }
  expectClose<float>(name + " gradient of the weight", weightGradient.values(), byWeight, 1e-6);
  expectClose<float>(name + " gradient of the scale", scaleGradient.values(), byScale, 1e-6, terms);
  expectSame(name + " gradient of the bias", biasGradient.values(), sums);

  // What is not asked for is left alone.
  const Buffer<float> untouched(outputs);
  pass.gradient = nullptr;
  pass.weightGradient = pass.scaleGradient = nullptr;
  pass.biasGradient = untouched.get();
  cuda::foldedGradients(pass, sizes, norm.pointers(), context);
  expectSame(name + " gradient of the bias alone", untouched.values(), sums);
  expectClose<float>(name + " the weight's stays", weightGradient.values(), byWeight, 1e-6);
}

template <class T>
cuda::Storage storageOf() {
  if (std::is_same_v<T, float>) return cuda::Storage::kFloat32;
  return std::is_same_v<T, __half> ? cuda::Storage::kFloat16 : cuda::Storage::kBfloat16;
}

/// More gradients than a launch takes, of all sizes and some of more channels than go.
template <class T>
void testCopies(std::mt19937& random, const std::string& name) {
  struct One {
    Buffer<T> from;
    Buffer<float> to;
    Values values;
    std::size_t run, own;
  };
  std::vector<One> all;
  std::vector<cuda::GradientCopy> copies;
  for (std::size_t number = 0; number < 70; ++number) {
    const std::size_t own = number % 3 == 0 ? 3 : 8, run = number % 3 == 0 ? 4 : 8;
    const std::size_t runs = number == 5 ? 0 : number == 68 ? 5'000 : 1 + number * 7 % 40, skew = number % 5 == 4;
    const auto values = drawn<T>(random, runs * run);
    all.push_back({Buffer<T>(values, skew), Buffer<float>(runs * own), values, run, own});
    const auto& one = all.back();
    copies.push_back({one.from.get(), one.to.get(), static_cast<std::int64_t>(runs * own), storageOf<T>(),
                      static_cast<std::int32_t>(run), static_cast<std::int32_t>(own)});
  }
  cuda::copyGradients(copies, {nullptr, 3});
  for (std::size_t number = 0; number < all.size(); ++number) {
    const auto& one = all[number];
    Values expected;
    for (std::size_t i = 0; i < one.to.size(); ++i)
      expected.push_back(one.values[i / one.own * one.run + i % one.own]);
    expectSame(name + " copy " + std::to_string(number), one.to.values(), expected);
  }
}

}  // namespace

int testFold(std::mt19937& random) {
  const Case cases[] = {{4, 3, 9, 1}, {3, 8, 1, 0}, {2, 64, 9, 0}, {5, 5, 1, 0}, {1, 300, 1, 0}, {6, 3, 9, 0}};
  int count = 0;
  forEachType([&](auto type, const std::string& name) {
    for (const auto& shape : cases) {
      run<decltype(type)>(random, shape, name + " fold, case " + std::to_string(&shape - cases));
      ++count;
    }
    testCopies<decltype(type)>(random, name);
    ++count;
  });
  return count;
}
