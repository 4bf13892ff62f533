#pragma once

#include <memory>
#include <utility>

#include "train/step_kernels.h"

namespace resnet_torch::cuda {

/// train::StepRecorder by way of graphs, in the order that PyTorch's graphs need. `Platform` is what it asks of CUDA,
/// so that tests can watch that order without a device:
///
///   alone()        a lock under which nothing but this recorder empties caches or records
///   synchronize()  waits for all that the device has before it
///   emptyCache()
///   onOwnStream(work)  the caller's stream waits for the work, and the work for what is in it
///   Graph          of one recording: begin() and end() around the work, or abandon() where that has failed; then
///                  replay(), and reset(), which gives up what was recorded
template <class Platform>
class GraphRecorder final : public train::StepRecorder {
 public:
  explicit GraphRecorder(Platform platform) : platform_(std::move(platform)) {}
  /// A graph may not go while the device still works on it.
  ~GraphRecorder() override {
    try {
      forget();
    } catch (...) {
      // A device that fails to say so works on nothing any more.
    }
  }
  GraphRecorder(const GraphRecorder&) = delete;
  GraphRecorder& operator=(const GraphRecorder&) = delete;

  void rehearse(const std::function<void()>& work) override { platform_.onOwnStream(work); }

  void record(const std::function<void()>& work) override {
    const auto alone = platform_.alone();
    // The old graph goes before the new one comes: as it goes, PyTorch frees the workspaces of cuBLAS on the stream
    // that both were recorded on, and the new one would write to them when it is replayed.
    forget();
    // The pool is filled anew: what the rehearsals have left would lie beside it unused.
    platform_.emptyCache();
    auto graph = std::make_unique<typename Platform::Graph>(platform_.graph());
    try {
      platform_.onOwnStream([&] {
        try {
          graph->begin();
          work();
          graph->end();
        } catch (...) {
          graph->abandon();
          throw;
        }
      });
    } catch (...) {
      graph.reset();
      try {
        platform_.emptyCache();
      } catch (...) {
        // What failed first is what is told.
      }
      throw;
    }
    graph_ = std::move(graph);
  }

  /// On the stream of whoever asks, behind what fills the step's inputs.
  void replay() override { graph_->replay(); }

 private:
  void forget() {
    platform_.synchronize();
    if (!graph_) return;
    graph_->reset();
    graph_ = nullptr;
  }

  Platform platform_;
  std::unique_ptr<typename Platform::Graph> graph_;
};

}  // namespace resnet_torch::cuda
