#include "cuda/norm.h"

#include <array>

#include "support/check.h"

namespace cuda = resnet_torch::cuda;

namespace {

struct Case {
  std::int64_t rows;
  int channels;
  std::size_t skew;
  int multiprocessors;
  bool few = false;  ///< for float32 alone
  double mean = 0.3, deviation = 1;
};

/// A BatchNorm and what it makes of a batch.
template <class T>
struct Normed {
  Normed(std::mt19937& random, const Case& shape)
      : channels(static_cast<std::size_t>(shape.channels)),
        values(drawn<T>(random, static_cast<std::size_t>(shape.rows) * channels, shape.mean, shape.deviation)),
        x(values, shape.skew),
        weight(drawn<float>(random, channels, 1, 0.3), 0),
        bias(drawn<float>(random, channels, 0, 0.3), 0),
        mean(channels),
        inverse(channels),
        variance(channels),
        scale(channels),
        shift(channels) {}

  cuda::NormState state() const { return {mean.get(), inverse.get(), variance.get(), scale.get(), shift.get()}; }
  cuda::Operand<T> operand() const { return {x.get(), scale.get(), shift.get()}; }

  std::size_t channels;
  Values values;
  Buffer<T> x;
  Buffer<float> weight, bias, mean, inverse, variance, scale, shift;
};

template <class T>
class NormTest {
 public:
  NormTest(std::mt19937& random, const Case& shape, std::string name)
      : random_(random),
        shape_(shape),
        name_(std::move(name)),
        sizes_{shape.rows, shape.channels},
        context_{nullptr, shape.multiprocessors},
        count_(static_cast<std::size_t>(shape.rows) * static_cast<std::size_t>(shape.channels)),
        partials_(cuda::normWorkspace(sizes_, context_)),
        arrivals_(cuda::kMostColumns),
        first_(random, shape),
        second_(random, shape) {
    std::fill_n(arrivals_.get(), arrivals_.size(), 0U);
  }

  void run() {
    statistics(first_);
    statistics(second_);
    forward({}, false);
    forward({second_.x.get(), nullptr, nullptr}, true);
    shiftAlone();
    forward(second_.operand(), true);
    reluBackward();
    for (const bool hasX : {false, true})
      for (const bool hasZ : {false, true})
        for (const bool hasSecond : {false, true})
          if (hasSecond || shape_.rows < 100) addReluBackward(hasX, hasZ, hasSecond);
    // The next kernel begins to count where this one did.
    for (std::size_t i = 0; i < arrivals_.size(); ++i) expectTrue(name_ + " arrivals", arrivals_[i] == 0);
  }

 private:
  cuda::Workspace workspace() const { return {partials_.get(), arrivals_.get()}; }

  void statistics(const Normed<T>& norm) {
    cuda::batchStatistics(norm.x.get(), sizes_, norm.weight.get(), norm.bias.get(), norm.state(), workspace(),
                          context_);
    if (shape_.rows == 0) return;
    const Buffer<float> runningMean(drawn<float>(random_, norm.channels), 0),
        runningVar(drawn<float>(random_, norm.channels, 2, 0.1), 0);
    const auto expected = reference::batchNorm(norm.values, shape_.rows, shape_.channels, norm.weight.values(),
                                               norm.bias.values(), runningMean.values(), runningVar.values());
    expectClose<float>(name_ + " mean", norm.mean.values(), expected.mean);
    expectClose<float>(name_ + " inverse", norm.inverse.values(), expected.inverse);
    updateRunning(norm, runningMean, runningVar, expected);
  }

  void updateRunning(const Normed<T>& norm, const Buffer<float>& mean, const Buffer<float>& variance,
                     const reference::Norm& expected) {
    const Buffer<std::int64_t> batches(1);
    const Buffer<int> skip(1);
    batches[0] = 41;
    skip[0] = 1;
    const std::array updates = {cuda::RunningUpdate{norm.mean.get(), norm.variance.get(), mean.get(), variance.get(),
                                                    batches.get(), shape_.channels}};
    const auto before = mean.values(), varianceBefore = variance.values();
    cuda::updateRunning(updates, skip.get(), context_);
    expectSame(name_ + " skipped running mean", mean.values(), before);
    expectSame(name_ + " skipped running variance", variance.values(), varianceBefore);
    expectTrue(name_ + " counts no batch that is skipped", batches[0] == 41);
    skip[0] = 0;
    cuda::updateRunning(updates, skip.get(), context_);
    expectClose<float>(name_ + " running mean", mean.values(), expected.runningMean);
    expectClose<float>(name_ + " running variance", variance.values(), expected.runningVar);
    expectTrue(name_ + " counts batches", batches[0] == 42);
  }

  /// Of the values before the ReLU, from PyTorch.
  Values normalised(const Normed<T>& norm) const {
    const Values any(norm.channels);
    return reference::batchNorm(norm.values, shape_.rows, shape_.channels, norm.weight.values(), norm.bias.values(),
                                any, any)
        .output;
  }

  void forward(const cuda::Operand<T>& z, bool withMask) {
    const Buffer<T> y(count_, shape_.skew);
    mask_ = std::make_unique<Buffer<std::uint8_t>>(static_cast<std::size_t>(shape_.rows) * maskBytes());
    cuda::normAddRelu(first_.operand(), z, sizes_, y.get(), withMask ? mask_->get() : nullptr, context_);
    if (count_ == 0) return;
    auto expected = normalised(first_);
    // The factors are float32: an offset a thousand times the deviation costs three of their digits.
    const double tolerance = 1e-5 + 4e-7 * std::abs(shape_.mean) / shape_.deviation;
    if (z.values) {
      const auto other = z.scale ? normalised(second_) : second_.values;
      for (std::size_t i = 0; i < count_; ++i) expected[i] += other[i];
    }
    const auto before = expected;
    for (auto& value : expected) value = std::max(value, 0.0);
    expectClose<T>(name_ + " forward", y.values(), expected, tolerance);
    if (withMask)
      for (std::size_t i = 0; i < count_; ++i)
        expectTrue(name_ + " mask", open(i) == (expected[i] > 0) || std::abs(before[i]) < 1e-4);
    output_ = y.values();
  }

  /// A bias without a scale, as convolutions leave theirs to what reads them.
  void shiftAlone() {
    const Buffer<T> y(count_, shape_.skew);
    cuda::normAddRelu<T>({first_.x.get(), nullptr, first_.shift.get()},
                         {second_.x.get(), nullptr, second_.shift.get()}, sizes_, y.get(), nullptr, context_);
    if (count_ == 0) return;
    Values expected;
    for (std::size_t i = 0; i < count_; ++i) {
      const auto c = i % first_.channels;
      expected.push_back(std::max(
          0.0, first_.values[i] + toDouble(first_.shift[c]) + second_.values[i] + toDouble(second_.shift[c])));
    }
    expectClose<T>(name_ + " shifts alone", y.values(), expected, 1e-5 + 4e-7 * std::abs(shape_.mean));
  }

  std::size_t maskBytes() const { return (static_cast<std::size_t>(shape_.channels) + 7) / 8; }
  bool open(std::size_t i) const {
    const auto row = i / first_.channels, channel = i % first_.channels;
    return ((*mask_)[row * maskBytes() + channel / 8] >> (channel % 8)) & 1;
  }

  /// The gradient of x from that of norm(x).
  void expectGradients(const std::string& what, const Normed<T>& norm, const Values& g, const Values& dx,
                       const Buffer<float>& weight, const Buffer<float>& bias) {
    const auto expected =
        reference::batchNormBackward(g, norm.values, shape_.rows, shape_.channels, norm.weight.values());
    expectClose<float>(what + " bias", bias.values(), expected.bias, sumTolerance());
    expectClose<float>(what + " weight", weight.values(), expected.weight, sumTolerance());
    // A mean in float32 is as inexact as it is large.
    const double tolerance = 1e-5 + 2e-7 * std::abs(shape_.mean) / shape_.deviation;
    expectClose<T>(what + " dx", dx, expected.x, tolerance, termSizes(norm, g));
  }

  /// Sums of values of both signs: their error is one of the sum of their sizes.
  double sumTolerance() const { return 1e-5 * std::sqrt(static_cast<double>(shape_.rows)); }

  /// What the gradient of x is a difference of: the gradient behind it, times the factor; the root mean square of
  /// each channel.
  Values termSizes(const Normed<T>& norm, const Values& g) const {
    Values squares(norm.channels), sizes;
    for (std::size_t i = 0; i < count_; ++i) squares[i % norm.channels] += g[i] * g[i];
    for (std::size_t i = 0; i < count_; ++i) {
      const auto c = i % norm.channels;
      sizes.push_back(std::abs(toDouble(norm.scale[c])) * std::sqrt(squares[c] / static_cast<double>(shape_.rows)));
    }
    return sizes;
  }

  void reluBackward() {
    const auto dyValues = drawn<T>(random_, count_);
    const Buffer<T> dy(dyValues, shape_.skew);
    const Buffer<float> weight(first_.channels), bias(first_.channels);
    cuda::normReluBackward(dy.get(), first_.x.get(), sizes_, first_.state(), {weight.get(), bias.get()}, workspace(),
                           context_);
    if (count_ == 0) return;
    auto g = dyValues;
    for (std::size_t i = 0; i < count_; ++i) {
      const auto c = i % first_.channels;
      const float value = std::fmaf(static_cast<float>(first_.values[i]), first_.scale[c], first_.shift[c]);
      if (!(value > 0)) g[i] = 0;
    }
    expectGradients(name_ + " relu backward", first_, g, dy.values(), weight, bias);
  }

  void addReluBackward(bool hasX, bool hasZ, bool hasSecond) {
    const std::string what =
        name_ + " add backward" + (hasX ? " x" : "") + (hasZ ? " z" : "") + (hasSecond ? " +" : "");
    const auto dyValues = drawn<T>(random_, count_), secondValues = drawn<T>(random_, count_);
    const Buffer<T> dy(dyValues, shape_.skew), dySecond(secondValues, shape_.skew), output(output_, shape_.skew);
    const Buffer<float> bias(first_.channels), weight(first_.channels), zWeight(first_.channels),
        zBias(first_.channels);
    cuda::AddReluBackward<T> pass;
    pass.dy = dy.get();
    if (hasSecond) pass.dySecond = dySecond.get();
    // The mask and the output are two ways to say the same.
    if (hasX) {
      pass.mask = mask_->get();
    } else {
      pass.output = output.get();
    }
    const Buffer<T> apart(count_, shape_.skew);
    const auto& gBuffer = hasZ ? apart : dy;
    pass.g = gBuffer.get();
    if (hasX) pass.x = {first_.x.get(), first_.mean.get(), first_.inverse.get(), weight.get()};
    if (hasZ) pass.z = {second_.x.get(), second_.mean.get(), second_.inverse.get(), zWeight.get()};
    pass.bias = bias.get();
    if (hasZ) pass.zBias = zBias.get();
    cuda::addReluBackward(pass, sizes_, workspace(), context_);
    if (count_ == 0) return;

    Values g;
    for (std::size_t i = 0; i < count_; ++i) {
      const bool isOpen = hasX ? open(i) : output_[i] > 0;
      g.push_back(isOpen ? dyValues[i] + (hasSecond ? secondValues[i] : 0) : 0);
    }
    expectClose<T>(what + " g", gBuffer.values(), g, 1e-6);
    Values sums(first_.channels);
    for (std::size_t i = 0; i < count_; ++i) sums[i % first_.channels] += g[i];
    expectClose<float>(what + " bias", bias.values(), sums, sumTolerance());
    // The second half takes g as it was stored, and the sums as they were before.
    if (hasX) branchBackward(what, first_, gBuffer, weight, bias);
    if (hasZ) expectSame(what + " other bias", zBias.values(), bias.values());
    if (hasZ) branchBackward(what + " other branch", second_, gBuffer, zWeight, zBias);
  }

  void branchBackward(const std::string& what, const Normed<T>& norm, const Buffer<T>& g, const Buffer<float>& weight,
                      const Buffer<float>& bias) {
    const Buffer<T> dx(count_, shape_.skew);
    cuda::normBackward(g.get(), norm.x.get(), sizes_, norm.state(), {weight.get(), bias.get()}, dx.get(), context_);
    if (std::is_same_v<T, float>) return expectGradients(what, norm, g.values(), dx.values(), weight, bias);
    // Sums of unrounded gradients against PyTorch's of rounded ones: the affine gradients may differ by the
    // roundings.
    const auto expected =
        reference::batchNormBackward(g.values(), norm.values, shape_.rows, shape_.channels, norm.weight.values());
    expectClose<T>(what + " weight", weight.values(), expected.weight, 4 * kRounding<T>);
    expectClose<T>(what + " dx", dx.values(), expected.x, 2 * kRounding<T>, termSizes(norm, g.values()));
  }

  std::mt19937& random_;
  Case shape_;
  std::string name_;
  cuda::Sizes sizes_;
  cuda::Context context_;
  std::size_t count_;
  Buffer<float> partials_;
  Buffer<unsigned> arrivals_;
  Normed<T> first_, second_;
  std::unique_ptr<Buffer<std::uint8_t>> mask_;
  Values output_;
};

/// As many BatchNorms as a ResNet-152 has, which are more than one launch takes: each moves once, to its own moments.
void testManyRunningUpdates() {
  constexpr int kNorms = 155, kChannels = 3;
  const Buffer<float> means(kNorms * kChannels), variances(kNorms * kChannels), runningMeans(kNorms * kChannels),
      runningVars(kNorms * kChannels);
  const Buffer<std::int64_t> batches(kNorms);
  std::vector<cuda::RunningUpdate> updates;
  for (int norm = 0; norm < kNorms; ++norm) {
    const auto at = static_cast<std::size_t>(norm) * kChannels;
    for (std::size_t i = at; i < at + kChannels; ++i) {
      means[i] = static_cast<float>(i);
      variances[i] = static_cast<float>(2 * i);
      runningMeans[i] = 0;
      runningVars[i] = 0;
    }
    batches[static_cast<std::size_t>(norm)] = 0;
    updates.push_back({means.get() + at, variances.get() + at, runningMeans.get() + at, runningVars.get() + at,
                       batches.get() + norm, kChannels});
  }
  cuda::updateRunning(updates, nullptr, {nullptr, 4});
  Values expectedMeans, expectedVars;
  for (std::size_t i = 0; i < kNorms * kChannels; ++i) {
    expectedMeans.push_back(0.1 * static_cast<double>(i));
    expectedVars.push_back(0.2 * static_cast<double>(i));
  }
  expectClose<float>("running means of 155 norms", runningMeans.values(), expectedMeans);
  expectClose<float>("running variances of 155 norms", runningVars.values(), expectedVars);
  for (std::size_t norm = 0; norm < kNorms; ++norm) expectTrue("batches of 155 norms", batches[norm] == 1);
}

}  // namespace

int testNorm(std::mt19937& random) {
  testManyRunningUpdates();
  const Case cases[] = {
      {0, 64, 0, 4},
      {2, 8, 0, 1},
      {3, 64, 0, 4, true},
      {98, 64, 0, 4},
      {17, 2048, 0, 2},
      {33, 5, 0, 2, true},
      {7, 1, 0, 1, true},
      {40, 33, 0, 4},
      {25, 64, 1, 4},
      {9, 264, 0, 1},
      {3000, 8, 0, 1, true},
      {1100, 3, 0, 1, true},
      {700, 64, 0, 1},
      {300, 256, 0, 132, true},
      {500, 16, 0, 4, true, 1000, 1},
  };
  int count = 1;
  forEachType([&](auto type, const std::string& name) {
    using T = decltype(type);
    for (const auto& shape : cases) {
      // Values far from zero need float32's digits; the others' arithmetic is its own, and fewer shapes do.
      if (shape.few && !std::is_same_v<T, float>) continue;
      NormTest<T>(random, shape, name + " norm, case " + std::to_string(&shape - cases)).run();
      ++count;
    }
  });
  return count;
}
