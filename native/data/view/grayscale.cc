#include "data/view/planes.h"
#include "data/wide.h"

namespace resnet_torch::data {

namespace {

constexpr Parameter kParameters[] = {{"probability", Parameter::Kind::kNumber, 0, 1}};

RESNET_TORCH_WIDE void toGrey(Pixels view) {
  changeByBlocks(view, [](Planes& planes) {
    for (std::size_t i = 0; i < kBlockPixels; ++i)
      planes.red[i] = planes.green[i] = planes.blue[i] = greyLevel(planes.red[i], planes.green[i], planes.blue[i]);
  });
}

/// torchvision's RandomGrayscale.
void maybeGrey(std::span<const double> values, AddressedRandom random, Pixels view) {
  if (random.uniform() < values[0]) toGrey(view);
}

}  // namespace

const Transform kGrayscale{"grayscale", Purpose::kGrayscale, kParameters, maybeGrey};

}  // namespace resnet_torch::data
