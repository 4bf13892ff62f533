#include "model/initial_values.h"

#include <cmath>

#include "core/rng.h"

namespace resnet_torch::model {

InitialValues InitialValues::ofConvolution(std::int64_t out, std::int64_t kernel) {
  return {Kind::kNormal, std::sqrt(2.0 / static_cast<double>(out * kernel * kernel))};
}

InitialValues InitialValues::ofLinear(std::int64_t in) {
  return {Kind::kUniform, 1 / std::sqrt(static_cast<double>(in))};
}

void fill(const at::Tensor& tensor, const InitialValues& values, std::uint64_t seed, std::size_t place) {
  using Kind = InitialValues::Kind;
  if (values.kind == Kind::kFilled) return;
  if (values.kind == Kind::kConstant) {
    tensor.fill_(values.spread);
    return;
  }
  const auto generator =
      at::make_generator<at::CPUGeneratorImpl>(addressedSeed(seed, place, Purpose::kInitialisation));
  // Drawn in double precision, so that models of either dtype begin with the same values.
  auto drawn = at::empty(tensor.sizes(), at::kDouble);
  if (values.kind == Kind::kNormal) {
    drawn.normal_(0, values.spread, generator);
  } else {
    drawn.uniform_(-values.spread, values.spread, generator);
  }
  tensor.copy_(drawn);
}

}  // namespace resnet_torch::model
