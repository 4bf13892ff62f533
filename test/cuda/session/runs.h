#pragma once

#include "model/aten.h"

#include <map>
#include <optional>
#include <stdexcept>

#include "core/errors.h"
#include "train/session.h"

using resnet_torch::model::Network;
using resnet_torch::train::Session;
using resnet_torch::train::SessionOptions;
using resnet_torch::train::StepResult;

struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void expect(bool holds, const std::string& what) {
  if (!holds) throw Wrong(what);
}

/// Who makes the steps of models on the CPU: the host, or the device's path over the emulated kernels.
void computeOnDevice(bool device);

/// What trains, from unit `first` on, and how.
struct Plan {
  int first = 0;
  std::int64_t largest = 0;  ///< values of a parameter that trains: the emulator takes long for more
  /// BatchNorms that take the statistics of the batch: all that train, or those whose names contain this.
  std::string batchStatistics = "";
  resnet_torch::optim::Settings optimizer;
  resnet_torch::train::LossScale scale;
  bool cudaGraph = false;
  at::ScalarType compute = at::kFloat;
  std::int64_t searchedBatch = 0;
  resnet_torch::train::LossSettings loss = {};
  double clipNorm = 0;

  /// Sides of the images: where convolutions train, so many that BatchNorms of the last stage have rows to sum up.
  std::int64_t imageSize() const;
};

/// A model and a session over it, the same for the same plan.
struct Run {
  explicit Run(const Plan& plan);

  std::int64_t imageSize;
  std::shared_ptr<Network> model;
  std::unique_ptr<Session> session;
  at::ScalarType compute;
  std::optional<std::int64_t> channels;  ///< of images; nothing: what the device takes

  /// Step `number` of a sequence that is always the same, with what the prefix makes of its first image so many times
  /// as large.
  void queue(int number, double times = 1, std::int64_t images = 4);
  StepResult step(int number);
  std::map<std::string, at::Tensor> values() const;
};

/// One rate a group, different in every step.
std::vector<double> ratesOf(int number);

/// The distance of two runs' values, over how far they have come from where they began.
double distance(const std::map<std::string, at::Tensor>& got, const std::map<std::string, at::Tensor>& expected,
                const std::map<std::string, at::Tensor>& start);

/// Whether all values are the same, bit for bit.
bool same(const std::map<std::string, at::Tensor>& got, const std::map<std::string, at::Tensor>& expected);
