#include "cuda/pool.h"

#include "support/check.h"

namespace cuda = resnet_torch::cuda;

namespace {

struct Case {
  int images, height, width, channels;
  std::size_t skew;
  int multiprocessors;
};

template <class T>
void run(std::mt19937& random, const Case& shape, bool normalised, const std::string& name) {
  const cuda::Context context{nullptr, shape.multiprocessors};
  const cuda::PoolShape sizes{shape.images, shape.height, shape.width, shape.channels};
  const auto channels = static_cast<std::size_t>(shape.channels);
  const auto in = static_cast<std::size_t>(sizes.input().rows) * channels,
             out = static_cast<std::size_t>(sizes.output().rows) * channels;
  const auto values = drawn<T>(random, in);
  const Buffer<T> x(values, shape.skew), y(out, shape.skew);
  const Buffer<std::uint8_t> places(out);
  const Buffer<float> scale(drawn<float>(random, channels, 1, 0.5), 0),
      shift(drawn<float>(random, channels, -0.2), 0);
  const cuda::Operand<T> operand =
      normalised ? cuda::Operand<T>{x.get(), scale.get(), shift.get()} : cuda::Operand<T>{x.get(), nullptr, nullptr};
  cuda::normReluPool(operand, sizes, y.get(), places.get(), context);
  if (in == 0) return;

  Values activated;
  for (std::size_t i = 0; i < in; ++i) {
    const float value = normalised
                            ? std::fmaf(static_cast<float>(values[i]), scale[i % channels], shift[i % channels])
                            : static_cast<float>(values[i]);
    activated.push_back(std::max(0.0F, value));
  }
  const auto dyValues = drawn<T>(random, out);
  const auto expected =
      reference::maxPool(activated, shape.images, shape.height, shape.width, shape.channels, dyValues);
  expectClose<T>(name + " forward", y.values(), expected.y, 1e-7);
  const Buffer<T> without(out, shape.skew);
  cuda::normReluPool(operand, sizes, without.get(), nullptr, context);
  expectSame(name + " forward without places", without.values(), y.values());

  const Buffer<T> dy(dyValues, shape.skew), g(in, shape.skew);
  const Buffer<float> mean(drawn<float>(random, channels), 0), inverse(drawn<float>(random, channels, 2, 0.1), 0),
      weight(channels), bias(channels), partials(cuda::normWorkspace(sizes.input(), context));
  const Buffer<unsigned> arrivals(cuda::kMostColumns);
  std::fill_n(arrivals.get(), arrivals.size(), 0U);
  const cuda::Workspace workspace{partials.get(), arrivals.get()};
  cuda::Branch<T> branch;
  if (normalised) branch = {x.get(), mean.get(), inverse.get(), weight.get()};
  cuda::normReluPoolBackward(dy.get(), places.get(), sizes, g.get(), branch, bias.get(), workspace, context);
  Values gExpected, biasExpected(channels), weightExpected(channels);
  for (std::size_t i = 0; i < in; ++i) {
    const auto c = i % channels;
    gExpected.push_back(activated[i] > 0 ? expected.dx[i] : 0);
    biasExpected[c] += gExpected[i];
    weightExpected[c] += gExpected[i] * (values[i] - toDouble(mean[c])) * toDouble(inverse[c]);
  }
  expectClose<T>(name + " backward", g.values(), gExpected, 1e-6);
  expectClose<float>(name + " bias", bias.values(), biasExpected, 1e-4);
  if (normalised) expectClose<float>(name + " weight", weight.values(), weightExpected, 1e-4);
}

/// A convolution's bias, which is left to pooling: a shift without a scale.
void testShiftAlone() {
  const cuda::Context context{nullptr, 1};
  const cuda::PoolShape sizes{1, 2, 2, 1};
  const Buffer<float> x(Values{-3, 1, 2, -1}, 0), shift(Values{0.5}, 0), low(Values{-4}, 0), y(1);
  cuda::normReluPool<float>({x.get(), nullptr, shift.get()}, sizes, y.get(), nullptr, context);
  expectTrue("pooling adds a shift", y[0] == 2.5F);
  cuda::normReluPool<float>({x.get(), nullptr, low.get()}, sizes, y.get(), nullptr, context);
  expectTrue("before the ReLU", y[0] == 0);
}

/// What is not a number wins its window, the last one seen, as in PyTorch; a window of zeros passes nothing back.
void testSpecialValues() {
  const cuda::Context context{nullptr, 1};
  const cuda::PoolShape sizes{1, 3, 3, 1};
  const Buffer<float> x(Values{1, NAN, 2, -1, -1, -1, 5, 6, 7}, 0), y(4), g(9), bias(1);
  const Buffer<std::uint8_t> places(4);
  cuda::normReluPool<float>({x.get(), nullptr, nullptr}, sizes, y.get(), places.get(), context);
  expectTrue("pooling keeps NaN", std::isnan(y[0]) && std::isnan(y[1]) && y[2] == 6 && y[3] == 7);
  expectTrue("pooling's place of NaN", places[0] == 5 && places[1] == 3 && places[2] == 5 && places[3] == 4);
}

}  // namespace

int testPool(std::mt19937& random) {
  const Case cases[] = {
      {0, 8, 8, 8, 0, 1}, {1, 1, 1, 8, 0, 1},  {1, 2, 2, 8, 0, 1},   {2, 5, 7, 8, 0, 2},  {1, 8, 8, 64, 0, 4},
      {2, 6, 9, 3, 0, 2}, {1, 4, 5, 64, 1, 4}, {2, 40, 33, 8, 0, 1}, {3, 1, 9, 40, 0, 2}, {2, 16, 16, 16, 0, 132},
  };
  int count = 0;
  testSpecialValues();
  testShiftAlone();
  forEachType([&](auto type, const std::string& name) {
    for (const auto& shape : cases)
      for (const bool normalised : {false, true}) {
        run<decltype(type)>(random, shape, normalised, name + " pool, case " + std::to_string(&shape - cases));
        ++count;
      }
  });
  return count + 2;
}
