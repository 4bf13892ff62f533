#pragma once

#include <cstdint>

namespace resnet_torch::data {

/// Which part of an image a view shows. `kCenter`: torchvision's Resize(resize) and CenterCrop(size). `kRandom`:
/// torchvision's RandomResizedCrop(size, scale, ratio). Then RandomHorizontalFlip(flip) and
/// RandomVerticalFlip(verticalFlip).
struct CropOptions {
  enum class Kind { kCenter, kRandom };
  Kind kind = Kind::kCenter;
  int size = 224;
  int resize = 256;
  double scale[2] = {0.08, 1};
  double ratio[2] = {3.0 / 4, 4.0 / 3};
  double flip = 0;
  double verticalFlip = 0;
};

/// Where a view's randomness lives.
struct Address {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
  std::uint64_t index = 0;  ///< of the image in the file list
};

/// A rectangle in pixels of an image as displayed.
struct Box {
  int left = 0, top = 0, width = 0, height = 0;
};

/// One augmentation of one image: `box` is resized to `width`×`height`, and of that the square of side `size` whose
/// corner is (left, top) is taken, which may reach beyond it (then zeros), and mirrored left to right or not. It is
/// mirrored top to bottom when it is done (flipRows).
struct View {
  Box box;
  int width = 0, height = 0;
  int left = 0, top = 0;
  int size = 0;
  bool flip = false;
};

/// Whether the view at an address is mirrored left to right, whatever the image.
bool flipOf(const CropOptions& options, const Address& address);

/// Whether it is mirrored top to bottom.
bool verticalFlipOf(const CropOptions& options, const Address& address);

/// Swaps the rows of a view, [size, size, 3] bytes, top to bottom.
void flipRows(std::uint8_t* pixels, int size);

/// The view of an image of `width`×`height` displayed pixels at an address. Throws std::runtime_error where a side
/// would be beyond an int.
View viewOf(const CropOptions& options, int width, int height, const Address& address);

}  // namespace resnet_torch::data
