// Prints the key of one image's view for many specs and addresses, a line each: the test beside it compares them.

#include <cinttypes>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "data/feature_key.h"

using namespace resnet_torch;
using namespace resnet_torch::data;

namespace {

const Address kAddress{7, 3, 5};

void print(const std::string& name, const ViewSpec& view, const Address& address = kAddress) {
  auto files = std::make_shared<FileList>();
  files->paths.push_back("/no/such/file.jpg");
  files->labels.push_back(0);
  const auto key = featureKey(files->source(0), view, address);
  std::printf("%s %016" PRIx64 "%016" PRIx64 "\n", name.c_str(), key.high, key.low);
}

/// Values that a transform takes, each in its bounds and no two equal.
TransformSpec specOf(const Transform& transform) {
  TransformSpec spec{&transform, {}};
  for (const auto& parameter : transform.parameters)
    for (std::size_t i = 0; i < parameter.values(); ++i)
      spec.values.push_back(0.1 + 0.01 * static_cast<double>(spec.values.size()));
  return spec;
}

void printChanges(const std::string& name, const ViewSpec& view,
                  std::initializer_list<std::pair<const char*, std::function<void(ViewSpec&)>>> changes) {
  print(name, view);
  for (const auto& [what, change] : changes) {
    auto changed = view;
    change(changed);
    print(name + "." + what, changed);
  }
}

}  // namespace

int main() {
  ViewSpec center;
  printChanges("center", center,
               {{"size", [](auto& view) { view.crop.size = 225; }},
                {"resize", [](auto& view) { view.crop.resize = 257; }},
                {"flip", [](auto& view) { view.crop.flip = 1; }},
                {"verticalFlip", [](auto& view) { view.crop.verticalFlip = 1; }},
                {"flips", [](auto& view) { view.crop.flip = view.crop.verticalFlip = 1; }}});
  ViewSpec random;
  random.crop.kind = CropOptions::Kind::kRandom;
  printChanges("random", random,
               {{"size", [](auto& view) { view.crop.size = 225; }},
                {"leastScale", [](auto& view) { view.crop.scale[0] = 0.09; }},
                {"mostScale", [](auto& view) { view.crop.scale[1] = 0.9; }},
                {"leastRatio", [](auto& view) { view.crop.ratio[0] = 0.7; }},
                {"mostRatio", [](auto& view) { view.crop.ratio[1] = 1.4; }},
                {"flip", [](auto& view) { view.crop.flip = 1; }},
                {"verticalFlip", [](auto& view) { view.crop.verticalFlip = 1; }}});
  for (const auto* const transform : transforms()) {
    for (const auto* base : {&center, &random}) {
      const std::string name = (base == &center ? "center+" : "random+") + std::string(transform->name);
      auto view = *base;
      view.transforms.push_back(specOf(*transform));
      print(name, view);
      for (std::size_t i = 0; i < view.transforms[0].values.size(); ++i) {
        auto changed = view;
        changed.transforms[0].values[i] += 1e-6;
        print(name + "." + std::to_string(i), changed);
      }
      print(name + ".seed", view, {8, 3, 5});
      print(name + ".epoch", view, {7, 4, 5});
      print(name + ".index", view, {7, 3, 6});
    }
  }
  auto two = center;
  two.transforms = {specOf(kGrayscale), specOf(kRandomErasing)};
  print("two", two);
  std::swap(two.transforms[0], two.transforms[1]);
  print("two.order", two);
  print("random.seed", random, {8, 3, 5});
  print("random.epoch", random, {7, 4, 5});
  print("random.index", random, {7, 3, 6});
  print("=center.address", center, {8, 4, 6});
  auto flipped = center;
  flipped.crop.flip = 1 - 1e-9;
  print("=center.flip.probability", flipped, {8, 4, 6});
  auto unused = center;
  unused.crop.scale[0] = 0.5;
  print("=center.scale", unused);
}
