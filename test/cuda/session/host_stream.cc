#include "cuda/stream.h"

// The emulated kernels run where they are launched, in memory of the host.
namespace resnet_torch::cuda {

namespace {

class PassedMark final : public Mark {
 public:
  bool passed() const override { return true; }
  void wait() const override {}
};

}  // namespace

Context contextOf(at::Device) {
  return {nullptr, 3};
}

at::Tensor pinned(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::empty(sizes, dtype);
}

std::unique_ptr<Mark> markStream(at::Device) {
  return std::make_unique<PassedMark>();
}

}  // namespace resnet_torch::cuda
