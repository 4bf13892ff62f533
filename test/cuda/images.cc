#include "cuda/images.h"

#include "support/check.h"

namespace cuda = resnet_torch::cuda;

namespace {

struct Case {
  std::size_t pixels, bytesSkew, valuesSkew;
  int multiprocessors;
};

template <class T>
reference::Type typeOf() {
  if (std::is_same_v<T, __half>) return reference::Type::kHalf;
  return std::is_same_v<T, __nv_bfloat16> ? reference::Type::kBfloat16 : reference::Type::kFloat;
}

template <class T>
void run(std::mt19937& random, const Case& shape, int channels, const std::string& name) {
  const Buffer<std::uint8_t> bytes(3 * shape.pixels, shape.bytesSkew);
  std::vector<std::uint8_t> drawn(bytes.size());
  for (std::size_t i = 0; i < drawn.size(); ++i) bytes[i] = drawn[i] = static_cast<std::uint8_t>(random());
  const Buffer<T> values(channels * shape.pixels, shape.valuesSkew);
  cuda::normaliseImages(bytes.get(), static_cast<std::int64_t>(shape.pixels), channels, values.get(),
                        {nullptr, shape.multiprocessors});

  const auto three = reference::normalise(drawn, typeOf<T>());
  Values expected;
  for (std::size_t pixel = 0; pixel < shape.pixels; ++pixel)
    for (int channel = 0; channel < channels; ++channel)
      expected.push_back(channel < 3 ? three[3 * pixel + static_cast<std::size_t>(channel)] : 0);
  expectSame(name, values.values(), expected);
}

}  // namespace

int testImages(std::mt19937& random) {
  const Case cases[] = {
      {0, 0, 0, 1},   {1, 0, 0, 1},   {8, 0, 0, 1},   {105, 0, 0, 2},    {128, 0, 0, 4},  {432, 1, 0, 4},
      {432, 0, 1, 4}, {240, 8, 8, 4}, {444, 0, 0, 4}, {22'400, 0, 0, 1}, {3100, 0, 0, 1}, {4096, 0, 0, 132},
  };
  int count = 0;
  forEachType([&](auto type, const std::string& name) {
    for (const auto& shape : cases)
      for (const int channels : {3, 4}) {
        run<decltype(type)>(random, shape, channels, name + " images, case " + std::to_string(&shape - cases));
        ++count;
      }
  });
  return count;
}
