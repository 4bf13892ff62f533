#include <cudnn.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// engines <file>: for the device whose properties the file holds as JSON, how many configurations of engines cuDNN's
// heuristics list for the convolutions of a ResNet-50 in NHWC, alone and with what is fused to them, and whether the
// first of them keeps partial sums in the type of the tensors. Answers JSON, an object a graph. No device is needed:
// nothing is computed.

namespace {

constexpr std::int64_t kBatch = 64;
constexpr int kMostEngines = 100;

struct Shape {
  const char* name;
  std::int64_t in, out, size, kernel, stride;
};

/// One of each kind: the stem with three and with four channels, and convolutions of first and last stages.
constexpr Shape kShapes[] = {
    {"stem, 3 channels", 3, 64, 224, 7, 2}, {"stem, 4 channels", 4, 64, 224, 7, 2},
    {"1x1, 64 to 256", 64, 256, 56, 1, 1},  {"3x3, 64", 64, 64, 56, 3, 1},
    {"3x3/2, 128", 128, 128, 56, 3, 2},     {"1x1/2, 256 to 512", 256, 512, 56, 1, 2},
    {"3x3, 512", 512, 512, 7, 3, 1},        {"1x1, 2048 to 512", 2048, 512, 7, 1, 1},
};

void check(cudnnStatus_t status, const char* what) {
  if (status != CUDNN_STATUS_SUCCESS)
    throw std::runtime_error(std::string(what) + ": " + cudnnGetErrorString(status));
}

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    check(cudnnBackendCreateDescriptor(type, &raw_), "a descriptor");
  }
  ~Descriptor() { cudnnBackendDestroyDescriptor(raw_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
           const void* values) {
    check(cudnnBackendSetAttribute(raw_, name, type, count, values), "an attribute");
  }
  void set(cudnnBackendAttributeName_t name, const std::vector<std::int64_t>& values) {
    set(name, CUDNN_TYPE_INT64, static_cast<std::int64_t>(values.size()), values.data());
  }
  void set(cudnnBackendAttributeName_t name, cudnnDataType_t type) { set(name, CUDNN_TYPE_DATA_TYPE, 1, &type); }
  void set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other.raw_);
  }
  void set(cudnnBackendAttributeName_t name, bool value) { set(name, CUDNN_TYPE_BOOLEAN, 1, &value); }
  void set(cudnnBackendAttributeName_t name, float value) { set(name, CUDNN_TYPE_FLOAT, 1, &value); }

  cudnnStatus_t tryFinalise() { return cudnnBackendFinalize(raw_); }
  void finalise(const char* what) { check(tryFinalise(), what); }
  cudnnBackendDescriptor_t raw() const { return raw_; }

 private:
  cudnnBackendDescriptor_t raw_ = nullptr;
};

using Held = std::unique_ptr<Descriptor>;

/// A graph of operations, which keeps what it is made of.
class Graph {
 public:
  Graph(const Shape& shape, cudnnDataType_t type) : shape_(shape), type_(type) {
    const auto out = (shape.size + shape.stride - 1) / shape.stride;
    x_ = tensor({kBatch, shape.in, shape.size, shape.size}, false);
    w_ = tensor({shape.out, shape.in, shape.kernel, shape.kernel}, false);
    outSizes_ = {kBatch, shape.out, out, out};
    const auto pad = shape.kernel / 2;
    convolution_ = std::make_unique<Descriptor>(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    const auto mode = CUDNN_CROSS_CORRELATION;
    convolution_->set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
    convolution_->set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    convolution_->set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::vector<std::int64_t>{2});
    convolution_->set(CUDNN_ATTR_CONVOLUTION_DILATIONS, {1, 1});
    convolution_->set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {shape.stride, shape.stride});
    convolution_->set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {pad, pad});
    convolution_->set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {pad, pad});
    convolution_->finalise("a convolution");
  }

  void forward() { convolve(tensor(outSizes_, false)); }

  /// Convolution, the addition of the other branch where there is one, the bias, ReLU.
  void fused(bool add) {
    auto* value = convolve(tensor(outSizes_, true));
    if (add) value = pointwise(CUDNN_POINTWISE_ADD, value, tensor(outSizes_, false), true);
    value = pointwise(CUDNN_POINTWISE_ADD, value, tensor({1, shape_.out, 1, 1}, false), true);
    pointwise(CUDNN_POINTWISE_RELU_FWD, value, nullptr, false);
  }

  void inputGradient() {
    auto& operation = add(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, *convolution_);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, *w_);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, *x_);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, *tensor(outSizes_, false));
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 1.0F);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, 0.0F);
    operation.finalise("the gradient of the input");
  }

  void weightGradient() {
    auto& operation = add(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, *convolution_);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, *x_);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, *w_);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, *tensor(outSizes_, false));
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.0F);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, 0.0F);
    operation.finalise("the gradient of the weight");
  }

  struct Engines {
    std::int64_t count =
        0;                 ///< configurations that the heuristics list; 0 where they say that there is no such graph
    bool reduced = false;  ///< whether the first sums up in fewer bits than float32 has
  };
  Engines engines(const Descriptor& device) {
    Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    std::vector<cudnnBackendDescriptor_t> operations;
    for (const auto& operation : operations_) operations.push_back(operation->raw());
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
              static_cast<std::int64_t>(operations.size()), operations.data());
    graph.finalise("a graph");
    Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    const auto mode = CUDNN_HEUR_MODE_A;
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
    const auto status = heuristics.tryFinalise();
    if (status >= CUDNN_STATUS_NOT_SUPPORTED && status < CUDNN_STATUS_INTERNAL_ERROR) return {};
    check(status, "the heuristics");
    // The number that is answered without a place for results is the most that there can be.
    std::vector<Held> configurations;
    std::vector<cudnnBackendDescriptor_t> places;
    for (int i = 0; i < kMostEngines; ++i) {
      configurations.push_back(std::make_unique<Descriptor>(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
      places.push_back(configurations.back()->raw());
    }
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(heuristics.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                   kMostEngines, &count, places.data()),
          "the heuristics' answer");
    return {count, count > 0 && isReduced(places.front())};
  }

 private:
  static bool isReduced(cudnnBackendDescriptor_t configuration) {
    const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    auto raw = engine.raw();
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(configuration, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                   &count, &raw),
          "an engine");
    std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
    check(cudnnBackendGetAttribute(raw, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, notes.size(),
                                   &count, notes.data()),
          "an engine's notes");
    const auto end = notes.begin() + count;
    return std::find(notes.begin(), end, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) != end;
  }

  /// NHWC. A value between two operations stays in float32 and in no memory.
  Descriptor* tensor(const std::vector<std::int64_t>& sizes, bool between) {
    auto& made = *tensors_.emplace_back(std::make_unique<Descriptor>(CUDNN_BACKEND_TENSOR_DESCRIPTOR));
    const auto channels = sizes[1], height = sizes[2], width = sizes[3];
    made.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, std::vector<std::int64_t>{static_cast<std::int64_t>(tensors_.size())});
    made.set(CUDNN_ATTR_TENSOR_DATA_TYPE, between ? CUDNN_DATA_FLOAT : type_);
    made.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::vector<std::int64_t>{16});
    made.set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes);
    made.set(CUDNN_ATTR_TENSOR_STRIDES, {height * width * channels, 1, width * channels, channels});
    made.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, between);
    made.finalise("a tensor");
    return &made;
  }

  Descriptor& add(cudnnBackendDescriptorType_t type) {
    return *operations_.emplace_back(std::make_unique<Descriptor>(type));
  }

  Descriptor* convolve(Descriptor* y) {
    auto& operation = add(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, *convolution_);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, *x_);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, *w_);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, *y);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0F);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0F);
    operation.finalise("a convolution's operation");
    return y;
  }

  Descriptor* pointwise(cudnnPointwiseMode_t mode, Descriptor* x, Descriptor* b, bool between) {
    auto& kind = *tensors_.emplace_back(std::make_unique<Descriptor>(CUDNN_BACKEND_POINTWISE_DESCRIPTOR));
    kind.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    kind.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
    kind.finalise("a pointwise operation");
    auto* y = tensor(outSizes_, between);
    auto& operation = add(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kind);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, *x);
    if (b) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, *y);
    operation.finalise("a pointwise operation");
    return y;
  }

  Shape shape_;
  cudnnDataType_t type_;
  std::vector<std::int64_t> outSizes_;
  std::vector<Held> tensors_, operations_;
  Descriptor *x_ = nullptr, *w_ = nullptr;
  Held convolution_;
};

void list(const Descriptor& device) {
  const std::map<std::string, cudnnDataType_t> types = {
      {"fp16", CUDNN_DATA_HALF}, {"bf16", CUDNN_DATA_BFLOAT16}, {"fp32", CUDNN_DATA_FLOAT}};
  const std::map<std::string, void (*)(Graph&)> graphs = {
      {"convolution", [](Graph& graph) { graph.forward(); }},
      {"convolution, bias, ReLU", [](Graph& graph) { graph.fused(false); }},
      {"convolution, add, bias, ReLU", [](Graph& graph) { graph.fused(true); }},
      {"gradient of the input", [](Graph& graph) { graph.inputGradient(); }},
      {"gradient of the weight", [](Graph& graph) { graph.weightGradient(); }},
  };
  const char* between = "[";
  for (const auto& [type, dataType] : types)
    for (const auto& [name, build] : graphs)
      for (const auto& shape : kShapes) {
        Graph graph(shape, dataType);
        build(graph);
        const auto [engines, reduced] = graph.engines(device);
        std::printf("%s{\"type\":\"%s\",\"graph\":\"%s\",\"shape\":\"%s\",\"engines\":%lld,\"reduced\":%s}", between,
                    type.c_str(), name.c_str(), shape.name, static_cast<long long>(engines),
                    reduced ? "true" : "false");
        between = ",\n";
      }
  std::printf("]\n");
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) return 2;
  try {
    std::ifstream file(words[1]);
    const std::string json(std::istreambuf_iterator<char>(file), {});
    Descriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<std::int64_t>(json.size()),
               json.data());
    device.finalise("the device's properties");
    list(device);
    return 0;
  } catch (const std::exception& error) {
    char text[4096] = "";
    cudnnGetLastErrorString(text, sizeof text);
    std::fprintf(stderr, "%s\n%s\n", error.what(), text);
    return 1;
  }
}
