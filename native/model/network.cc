#include "model/network.h"

#include <ATen/EmptyTensor.h>

#include "core/errors.h"
#include "core/executor.h"
#include "model/compiled.h"
#include "model/device_kernels.h"

namespace resnet_torch::model {

namespace {

/// Of convolutions' weights in channels-last layout. Touches no device.
at::Tensor withoutMemory(at::IntArrayRef sizes, at::ScalarType dtype, at::Device device) {
  auto storage = c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), at::detail::computeStorageNbytesContiguous(sizes, c10::elementSize(dtype)),
      at::DataPtr(nullptr, device),
      /*allocator=*/nullptr, /*resizable=*/false);
  const c10::DispatchKeySet keys(c10::computeDispatchKey(dtype, at::kStrided, device));
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(std::move(storage)), keys,
                                                         c10::scalarTypeToTypeMeta(dtype));
  tensor.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  if (sizes.size() == 4) tensor.unsafeGetTensorImpl()->empty_tensor_restride(at::MemoryFormat::ChannelsLast);
  return tensor;
}

}  // namespace

Network::Network(const Architecture& architecture, HeadShape head, at::ScalarType dtype, at::Device device,
                 std::uint64_t seed, Allocation allocation)
    : architecture_(architecture),
      head_(std::move(head)),
      dtype_(dtype),
      device_(device),
      seed_(seed),
      compiled_(std::make_unique<Compiled>()) {
  stem_ = addLayer(architecture.stem());
  for (int unit = 1; unit < architecture.backboneUnits(); ++unit) {
    const auto& plan = architecture.block(unit);
    Block block;
    for (const auto& convolution : plan.convolutions) block.layers.push_back(addLayer(convolution));
    if (plan.downsample) block.downsample = addLayer(*plan.downsample);
    blocks_.push_back(std::move(block));
  }
  addHead();
  if (allocation == Allocation::kNow) allocate();
}

void Network::addHead() {
  auto in = architecture_.features();
  for (std::size_t layer = 0; layer < head_.hidden.size(); ++layer) {
    headLayers_.push_back(addLinear("fc." + std::to_string(3 * layer), in, head_.hidden[layer]));
    in = head_.hidden[layer];
  }
  const std::string last = head_.hidden.empty() ? "fc" : "fc." + std::to_string(3 * head_.hidden.size());
  headLayers_.push_back(addLinear(last, in, head_.classes));
}

Network::~Network() = default;

at::Tensor Network::add(const std::string& name, at::IntArrayRef sizes, at::ScalarType dtype, bool parameter,
                        InitialValues initial) {
  byName_[name] = tensors_.size();
  tensors_.push_back({name, withoutMemory(sizes, dtype, device_), parameter});
  initial_.push_back(initial);
  return tensors_.back().tensor;
}

void Network::allocate() {
  if (allocated_) return;
  const at::NoGradGuard noGrad;
  const auto bytes = at::TensorOptions().device(device_).dtype(at::kByte);
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const auto& tensor = tensors_[i].tensor;
    // Every copy of the tensor shares the storage that is filled here.
    auto& storage = *tensor.storage().unsafeGetStorageImpl();
    if (!storage.data())
      storage.swap_data_ptr(
          *at::empty({static_cast<std::int64_t>(storage.nbytes())}, bytes).storage().unsafeGetStorageImpl());
    auto& initial = initial_[i];
    if (initial.kind != InitialValues::Kind::kConstant) continue;
    fill(tensor, initial, seed_, i);
    initial = {};
  }
  allocated_ = true;
}

void Network::initialise() {
  allocate();
  const at::NoGradGuard noGrad;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    auto& initial = initial_[i];
    if (initial.kind == InitialValues::Kind::kFilled) continue;
    Executor::throwIfStopping();
    fill(tensors_[i].tensor, initial, seed_, i);
    initial = {};
  }
}

void Network::setLoaded(const std::string& name) {
  initial_[byName_.at(name)] = {};
  setChanged(architecture_.unitOf(name));
  ++loads_;
}

void Network::setChanged(int unit) {
  compiled_->drop(unit);
}

NormedConvolution Network::addLayer(const ConvolutionPlan& plan) {
  NormedConvolution layer;
  auto& convolution = layer.convolution;
  convolution.name = plan.name;
  convolution.weight = add(plan.name + ".weight", {plan.out, plan.in / plan.groups, plan.kernel, plan.kernel}, dtype_,
                           true, InitialValues::ofConvolution(plan.out, plan.kernel));
  convolution.stride = plan.stride;
  convolution.padding = plan.padding();
  convolution.groups = plan.groups;
  layer.norm = addBatchNorm(plan.norm, plan.out);
  return layer;
}

BatchNorm Network::addBatchNorm(const std::string& name, std::int64_t channels) {
  const auto zero = InitialValues::constant(0), one = InitialValues::constant(1);
  batchNorms_.insert(name);
  BatchNorm norm;
  norm.name = name;
  norm.weight = add(name + ".weight", {channels}, dtype_, true, one);
  norm.bias = add(name + ".bias", {channels}, dtype_, true, zero);
  norm.runningMean = add(name + ".running_mean", {channels}, dtype_, false, zero);
  norm.runningVar = add(name + ".running_var", {channels}, dtype_, false, one);
  norm.batchesTracked = add(name + ".num_batches_tracked", {}, at::kLong, false, zero);
  return norm;
}

Linear Network::addLinear(const std::string& name, std::int64_t in, std::int64_t out) {
  const auto initial = InitialValues::ofLinear(in);
  return {add(name + ".weight", {out, in}, dtype_, true, initial), add(name + ".bias", {out}, dtype_, true, initial)};
}

const NamedTensor& Network::find(const std::string& name) const {
  const auto found = byName_.find(name);
  if (found == byName_.end()) throw Error("ERR_INVALID_ARGUMENT", "The model has no tensor named " + name);
  return tensors_[found->second];
}

BatchNorm Network::batchNorm(const std::string& module) const {
  const auto tensor = [&](const char* name) { return find(module + name).tensor; };
  return {module,
          tensor(".weight"),
          tensor(".bias"),
          tensor(".running_mean"),
          tensor(".running_var"),
          tensor(".num_batches_tracked")};
}

std::size_t Network::bytes() const {
  std::size_t bytes = 0;
  for (const auto& entry : tensors_) bytes += entry.tensor.nbytes();
  return bytes;
}

at::Tensor Network::firstUnits(int units, const at::Tensor& images, const ForwardOptions& options) const {
  const auto compute = options.compute.value_or(dtype_);
  auto x = images.to(at::TensorOptions().dtype(compute).device(device_)).contiguous(at::MemoryFormat::ChannelsLast);
  if (units == 0) return x;
  x = forwardLayer(stem_, x, options).relu_();
  x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
  for (int unit = 1; unit < units; ++unit) {
    Executor::throwIfStopping();
    x = forwardBlock(block(unit), x, options);
  }
  return x;
}

at::Tensor Network::logits(const at::Tensor& features, const ForwardOptions& options) const {
  auto x = features;
  for (std::size_t layer = 0; layer < headLayers_.size(); ++layer) {
    x = at::linear(x, headLayers_[layer].weight, headLayers_[layer].bias);
    if (layer + 1 == headLayers_.size()) break;
    x = at::relu(x);
    if (!options.dropoutMasks.empty()) x = x * options.dropoutMasks[layer];
  }
  return x;
}

at::Tensor averaged(const at::Tensor& x, at::ScalarType dtype) {
  // A device widens as it reads, with no copy in between.
  if (deviceKernels(x.device())) return x.mean({2, 3}, /*keepdim=*/false, dtype);
  return at::adaptive_avg_pool2d(x.to(dtype), {1, 1}).flatten(1);
}

}  // namespace resnet_torch::model
