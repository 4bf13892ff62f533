#include "model/resnet50.h"

#include <ATen/EmptyTensor.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "core/errors.h"
#include "core/executor.h"
#include "core/rng.h"
#include "model/compiled.h"
#include "model/device_kernels.h"

namespace resnet_torch::model {

namespace {

constexpr std::int64_t kExpansion = 4;
constexpr std::array<std::int64_t, 4> kBlocks = {3, 4, 6, 3};
constexpr std::array<std::int64_t, 4> kWidths = {64, 128, 256, 512};

/// A generator for one tensor: initialisation depends on the seed and the tensor's place alone.
at::Generator generatorFor(std::uint64_t seed, std::size_t ordinal) {
  return at::make_generator<at::CPUGeneratorImpl>(addressedSeed(seed, ordinal, Purpose::kInitialisation));
}

at::Tensor convolve(const at::Tensor& input, const Convolution& convolution) {
  // The cast is part of the graph, so the gradient arrives at the master weight in its own dtype.
  const auto weight = forChannels(convolution.weight.to(input.scalar_type()), input.size(1));
  return at::conv2d(input, weight, {}, convolution.stride, convolution.padding);
}

at::Tensor normaliseBatch(const at::Tensor& input, const BatchNorm& norm, const ForwardOptions& options) {
  const bool training = options.training && options.training->contains(norm.name);
  if (training) norm.batchesTracked.add_(1);
  return at::batch_norm(input, norm.weight, norm.bias, norm.runningMean, norm.runningVar, training,
                        kBatchNormMomentum, kBatchNormEpsilon, /*cudnn_enabled=*/true);
}

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

ResNet50::ResNet50(HeadShape head, at::ScalarType dtype, at::Device device, std::uint64_t seed, Allocation allocation)
    : head_(std::move(head)), dtype_(dtype), device_(device), seed_(seed), compiled_(std::make_unique<Compiled>()) {
  stemConvolution_ = addConvolution("conv1", 3, 64, 7, 2);
  stemNorm_ = addBatchNorm("bn1", 64);
  std::int64_t channels = 64;
  for (std::size_t stage = 0; stage < kBlocks.size(); ++stage) {
    const auto width = kWidths[stage];
    for (std::int64_t index = 0; index < kBlocks[stage]; ++index) {
      const std::string prefix = "layer" + std::to_string(stage + 1) + "." + std::to_string(index) + ".";
      const std::int64_t stride = stage > 0 && index == 0 ? 2 : 1;
      Bottleneck block;
      block.convolutions[0] = addConvolution(prefix + "conv1", channels, width, 1, 1);
      block.norms[0] = addBatchNorm(prefix + "bn1", width);
      block.convolutions[1] = addConvolution(prefix + "conv2", width, width, 3, stride);
      block.norms[1] = addBatchNorm(prefix + "bn2", width);
      block.convolutions[2] = addConvolution(prefix + "conv3", width, width * kExpansion, 1, 1);
      block.norms[2] = addBatchNorm(prefix + "bn3", width * kExpansion);
      if (index == 0) {
        block.downsample.emplace();
        block.downsample->convolution =
            addConvolution(prefix + "downsample.0", channels, width * kExpansion, 1, stride);
        block.downsample->norm = addBatchNorm(prefix + "downsample.1", width * kExpansion);
      }
      channels = width * kExpansion;
      blocks_.push_back(std::move(block));
    }
  }
  std::int64_t in = kFeatures;
  for (std::size_t layer = 0; layer < head_.hidden.size(); ++layer) {
    headLayers_.push_back(addLinear("fc." + std::to_string(3 * layer), in, head_.hidden[layer]));
    in = head_.hidden[layer];
  }
  const std::string last = head_.hidden.empty() ? "fc" : "fc." + std::to_string(3 * head_.hidden.size());
  headLayers_.push_back(addLinear(last, in, head_.classes));
  if (allocation == Allocation::kNow) allocate();
}

ResNet50::~ResNet50() = default;

at::Tensor ResNet50::add(const std::string& name, at::IntArrayRef sizes, at::ScalarType dtype, bool parameter,
                         Beginning beginning) {
  byName_[name] = tensors_.size();
  tensors_.push_back({name, withoutMemory(sizes, dtype, device_), parameter});
  beginnings_.push_back(beginning);
  return tensors_.back().tensor;
}

void ResNet50::allocate() {
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
    auto& beginning = beginnings_[i];
    if (beginning.kind != Beginning::Kind::kConstant) continue;
    tensor.fill_(beginning.spread);
    beginning = {};
  }
  allocated_ = true;
}

void ResNet50::initialise() {
  allocate();
  const at::NoGradGuard noGrad;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    auto& beginning = beginnings_[i];
    if (beginning.kind == Beginning::Kind::kFilled) continue;
    Executor::throwIfStopping();
    // Drawn in double precision, so that models of either dtype begin with the same values.
    auto values = at::empty(tensors_[i].tensor.sizes(), at::kDouble);
    if (beginning.kind == Beginning::Kind::kNormal) {
      values.normal_(0, beginning.spread, generatorFor(seed_, i));
    } else {
      values.uniform_(-beginning.spread, beginning.spread, generatorFor(seed_, i));
    }
    tensors_[i].tensor.copy_(values);
    beginning = {};
  }
}

void ResNet50::setLoaded(const std::string& name) {
  beginnings_[byName_.at(name)] = {};
  setChanged(unitOf(name));
  ++loads_;
}

void ResNet50::setChanged(int unit) {
  compiled_->drop(unit);
}

/// torchvision: kaiming_normal_(mode="fan_out", nonlinearity="relu").
Convolution ResNet50::addConvolution(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel,
                                     std::int64_t stride) {
  const double deviation = std::sqrt(2.0 / static_cast<double>(out * kernel * kernel));
  return {add(name + ".weight", {out, in, kernel, kernel}, dtype_, true, {Beginning::Kind::kNormal, deviation}),
          stride, kernel / 2};
}

BatchNorm ResNet50::addBatchNorm(const std::string& name, std::int64_t channels) {
  constexpr Beginning kZero{Beginning::Kind::kConstant, 0}, kOne{Beginning::Kind::kConstant, 1};
  batchNorms_.insert(name);
  BatchNorm norm;
  norm.name = name;
  norm.weight = add(name + ".weight", {channels}, dtype_, true, kOne);
  norm.bias = add(name + ".bias", {channels}, dtype_, true, kZero);
  norm.runningMean = add(name + ".running_mean", {channels}, dtype_, false, kZero);
  norm.runningVar = add(name + ".running_var", {channels}, dtype_, false, kOne);
  norm.batchesTracked = add(name + ".num_batches_tracked", {}, at::kLong, false, kZero);
  return norm;
}

/// nn.Linear's default: both uniform in ±1/√fan_in.
Linear ResNet50::addLinear(const std::string& name, std::int64_t in, std::int64_t out) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  const Beginning beginning{Beginning::Kind::kUniform, bound};
  return {add(name + ".weight", {out, in}, dtype_, true, beginning),
          add(name + ".bias", {out}, dtype_, true, beginning)};
}

const NamedTensor& ResNet50::find(const std::string& name) const {
  const auto found = byName_.find(name);
  if (found == byName_.end()) throw Error("ERR_INVALID_ARGUMENT", "The model has no tensor named " + name);
  return tensors_[found->second];
}

BatchNorm ResNet50::batchNorm(const std::string& module) const {
  const auto tensor = [&](const char* name) { return find(module + name).tensor; };
  return {module,
          tensor(".weight"),
          tensor(".bias"),
          tensor(".running_mean"),
          tensor(".running_var"),
          tensor(".num_batches_tracked")};
}

std::size_t ResNet50::bytes() const {
  std::size_t bytes = 0;
  for (const auto& entry : tensors_) bytes += entry.tensor.nbytes();
  return bytes;
}

at::Tensor ResNet50::bottleneck(const Bottleneck& block, const at::Tensor& input,
                                const ForwardOptions& options) const {
  auto x = normaliseBatch(convolve(input, block.convolutions[0]), block.norms[0], options).relu_();
  x = normaliseBatch(convolve(x, block.convolutions[1]), block.norms[1], options).relu_();
  x = normaliseBatch(convolve(x, block.convolutions[2]), block.norms[2], options);
  const auto shortcut = block.downsample ? normaliseBatch(convolve(input, block.downsample->convolution),
                                                          block.downsample->norm, options)
                                         : input;
  return x.add_(shortcut).relu_();
}

at::Tensor ResNet50::firstUnits(int units, const at::Tensor& images, const ForwardOptions& options) const {
  const auto compute = options.compute.value_or(dtype_);
  auto x = images.to(at::TensorOptions().dtype(compute).device(device_)).contiguous(at::MemoryFormat::ChannelsLast);
  if (units == 0) return x;
  x = normaliseBatch(convolve(x, stemConvolution_), stemNorm_, options).relu_();
  x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
  for (int unit = 1; unit < units; ++unit) {
    Executor::throwIfStopping();
    x = bottleneck(block(unit), x, options);
  }
  return x;
}

at::Tensor ResNet50::logits(const at::Tensor& features, const ForwardOptions& options) const {
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

namespace {

/// (x / 255 − mean) / deviation of bytes [.., 3], step by step as torchvision takes them.
at::Tensor normaliseDirectly(const at::Tensor& images, at::ScalarType dtype) {
  const auto wide = dtype == at::kDouble ? at::kDouble : at::kFloat;
  const auto options = at::TensorOptions().dtype(wide).device(images.device());
  const auto mean = at::tensor({0.485, 0.456, 0.406}, at::kDouble).to(options);
  const auto deviation = at::tensor({0.229, 0.224, 0.225}, at::kDouble).to(options);
  return images.to(wide).div_(255).sub_(mean).div_(deviation).to(dtype);
}

template <class T>
void lookUp(const at::Tensor& bytes, const at::Tensor& table, at::Tensor& values) {
  const auto* from = bytes.const_data_ptr<std::uint8_t>();
  const auto* entries = table.const_data_ptr<T>();
  auto* to = values.mutable_data_ptr<T>();
  constexpr std::int64_t kAtOnce = 1 << 14;
  at::parallel_for(0, bytes.numel() / 3, kAtOnce, [&](std::int64_t first, std::int64_t last) {
    for (auto i = 3 * first; i < 3 * last; i += 3)
      for (int channel = 0; channel < 3; ++channel) to[i + channel] = entries[3 * from[i + channel] + channel];
  });
}

}  // namespace

at::Tensor forChannels(const at::Tensor& weight, std::int64_t channels) {
  const auto more = channels - weight.size(1);
  if (more == 0) return weight;
  return at::constant_pad_nd(weight, {0, 0, 0, 0, 0, more}).contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor normalise(const at::Tensor& images, at::ScalarType dtype, std::optional<std::int64_t> channels) {
  if (const auto* device = deviceKernels(images.device()))
    return device->normalise(images, dtype, channels.value_or(device->imageChannels));
  TORCH_CHECK(channels.value_or(3) == 3, "the CPU takes images of 3 channels");
  const auto bytes = images.contiguous();
  const auto table =
      normaliseDirectly(at::arange(256, at::kByte).view({256, 1}).expand({256, 3}), dtype).contiguous();
  auto values = at::empty(bytes.sizes(), table.options());
  if (dtype == at::kBFloat16) {
    lookUp<at::BFloat16>(bytes, table, values);
  } else if (dtype == at::kFloat) {
    lookUp<float>(bytes, table, values);
  } else {
    lookUp<double>(bytes, table, values);
  }
  return values.permute({0, 3, 1, 2});
}

}  // namespace resnet_torch::model
