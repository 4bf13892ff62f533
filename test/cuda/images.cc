#include "cuda/images.h"

#include "support/check.h"

namespace cuda = resnet_torch::cuda;

namespace {

struct Case {
  int images, height, width;
  bool flips;
  std::size_t bytesSkew, valuesSkew;
  int multiprocessors;
};

template <class T>
reference::Type typeOf() {
  if (std::is_same_v<T, __half>) return reference::Type::kHalf;
  return std::is_same_v<T, __nv_bfloat16> ? reference::Type::kBfloat16 : reference::Type::kFloat;
}

template <class T>
void run(std::mt19937& random, const Case& shape, int channels, const std::string& name) {
  const auto pixels = static_cast<std::size_t>(shape.images) * shape.height * shape.width;
  const Buffer<std::uint8_t> bytes(3 * pixels, shape.bytesSkew), flips(shape.images);
  std::vector<std::uint8_t> drawn(bytes.size()), mirrored(shape.images);
  for (std::size_t i = 0; i < drawn.size(); ++i) bytes[i] = drawn[i] = static_cast<std::uint8_t>(random());
  for (std::size_t i = 0; i < mirrored.size(); ++i)
    flips[i] = mirrored[i] = random() % 2 == 0 ? 0 : 1 + random() % 200;
  if (!shape.flips) mirrored.clear();
  const Buffer<T> values(channels * pixels, shape.valuesSkew);
  cuda::normaliseImages({bytes.get(), shape.flips ? flips.get() : nullptr, shape.images, shape.height, shape.width},
                        channels, values.get(), {nullptr, shape.multiprocessors});

  const auto three = reference::normalise(drawn, mirrored, shape.images, shape.height, shape.width, typeOf<T>());
  Values expected;
  for (std::size_t pixel = 0; pixel < pixels; ++pixel)
    for (int channel = 0; channel < channels; ++channel)
      expected.push_back(channel < 3 ? three[3 * pixel + static_cast<std::size_t>(channel)] : 0);
  expectSame(name, values.values(), expected);
}

}  // namespace

int testImages(std::mt19937& random) {
  const Case cases[] = {
      {0, 8, 8, true, 0, 0, 1},   {1, 1, 1, true, 0, 0, 1},     {1, 1, 8, true, 0, 0, 1},
      {3, 5, 7, true, 0, 0, 2},   {2, 4, 16, true, 0, 0, 4},    {2, 4, 16, false, 0, 0, 4},
      {3, 6, 24, true, 1, 0, 4},  {3, 6, 24, true, 0, 1, 4},    {2, 3, 40, true, 8, 8, 4},
      {7, 50, 64, true, 0, 0, 1}, {1, 100, 31, false, 0, 0, 1}, {4, 32, 32, true, 0, 0, 132},
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
