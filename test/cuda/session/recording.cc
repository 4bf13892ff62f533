#include "recording.h"

#include "core/errors.h"
#include "cuda/graph_recorder.h"
#include "recorder.h"
#include "runs.h"
#include "train/captured_step.h"

namespace cuda = resnet_torch::cuda;
namespace optim = resnet_torch::optim;
namespace train = resnet_torch::train;

namespace {

/// What is asked of CUDA, written down; graphs by their number. Nothing may be asked of a graph that was reset, nor a
/// graph be recorded beside another, whose workspace it would share.
struct Told {
  std::string text;
  int graphs = 0, alive = 0;
  bool locked = false;
  std::string failing;  ///< what is to fail, once

  void tell(const std::string& what) {
    text += (text.empty() ? "" : ", ") + what;
    if (failing != what) return;
    failing.clear();
    throw Wrong(what + " failed");
  }
};

class ToldGraph {
 public:
  explicit ToldGraph(Told* told) : told_(told), name_(" " + std::to_string(++told->graphs)) {}
  ~ToldGraph() { reset(); }

  void begin() {
    expect(told_->alive == 0, "a graph is recorded while another is alive");
    expect(told_->locked, "a graph is recorded without the lock");
    ++told_->alive;
    recorded_ = true;
    told_->tell("begin" + name_);
  }
  void end() { told_->tell("end" + name_); }
  void abandon() {
    told_->text += ", abandon" + name_;
    reset();
  }
  void replay() {
    expect(recorded_, "a graph that was given up is replayed");
    told_->tell("replay" + name_);
  }
  void reset() {
    if (!std::exchange(recorded_, false)) return;
    --told_->alive;
    told_->text += (told_->text.empty() ? "reset" : ", reset") + name_;
  }

 private:
  Told* told_;
  std::string name_;
  bool recorded_ = false;
};

struct ToldPlatform {
  using Graph = ToldGraph;
  Told* told;

  struct Lock {
    Told* told;
    explicit Lock(Told* held) : told(held) { told->locked = true; }
    ~Lock() { told->locked = false; }
  };
  Told* graph() const { return told; }
  Lock alone() const { return Lock(told); }
  void synchronize() const { told->tell("synchronize"); }
  void emptyCache() const {
    expect(told->locked, "caches are emptied without the lock");
    told->tell("empty");
  }
  template <class Work>
  void onOwnStream(const Work& work) const {
    work();
  }
};

/// What the recorder asks of CUDA in `what`.
std::string toldOf(Told& told, const std::function<void()>& what) {
  told.text.clear();
  try {
    what();
  } catch (const Wrong& failure) {
    told.text += std::string("; ") + failure.what();
  }
  return told.text;
}

void expectTold(const std::string& got, const std::string& expected) {
  expect(got == expected, "told: " + got + "\nand not: " + expected);
}

/// Cannot record, for a reason or because the caller has gone.
class Failing final : public train::StepRecorder {
 public:
  Failing(std::string& told, std::function<void()> fail) : told_(told), fail_(std::move(fail)) {}
  ~Failing() override { told_ += 'x'; }
  void rehearse(const std::function<void()>& work) override {
    told_ += 'r';
    work();
  }
  void record(const std::function<void()>&) override {
    told_ += 'C';
    fail_();
  }
  void replay() override { told_ += 'p'; }

 private:
  std::string& told_;
  std::function<void()> fail_;
};

struct Made {
  std::string told;
  int plain = 0;
  std::vector<std::string> failures;
};

/// Six steps of one shape with a recorder that fails so.
Made madeWith(const std::function<void()>& fail) {
  Made made;
  train::CapturedStep step(std::make_unique<Failing>(made.told, fail), [&](const train::StepInputs& inputs) {
    expect(inputs.input.numel() == 12, "a plain step is given its inputs");
    ++made.plain;
  });
  for (int i = 0; i < 6; ++i) {
    step.run({at::ones({4, 3}), at::zeros({4}, at::kLong), {}}, 1);
    if (auto failure = step.takeFailure()) made.failures.push_back(*failure);
  }
  return made;
}

}  // namespace

void recordingOrder() {
  Told told;
  {
    cuda::GraphRecorder<ToldPlatform> recorder({&told});
    const auto record = [&] { recorder.record([&] { told.tell("work"); }); };
    expectTold(toldOf(told, record), "synchronize, empty, begin 1, work, end 1");
    expectTold(toldOf(told, [&] { recorder.replay(); }), "replay 1");
    expectTold(toldOf(told, record), "synchronize, reset 1, empty, begin 2, work, end 2");
    for (const std::string failing : {"work", "begin 4", "end 5"}) {
      told.failing = failing;
      const auto before = told.alive;
      const auto text = toldOf(told, record);
      const auto number = std::to_string(told.graphs);
      expect(text.ends_with(", abandon " + number + ", reset " + number + ", empty; " + failing + " failed"), text);
      expect(told.alive == 0 && !told.locked, "nothing is left of a recording that failed");
      expect(before == (failing == "work" ? 1 : 0), "the graph before is gone since then");
    }
    expectTold(toldOf(told, record), "synchronize, empty, begin 6, work, end 6");
    expectTold(toldOf(told, [&] { recorder.replay(); }), "replay 6");
    told.text.clear();
  }
  expectTold(told.text, "synchronize, reset 6");
}

void recordingFails() {
  const auto lacking =
      madeWith([] { throw c10::OutOfMemoryError({__func__, __FILE__, __LINE__}, "Tried to allocate"); });
  expect(lacking.told == "rrrCx", "a recording that failed is not tried again: " + lacking.told);
  expect(lacking.plain == 6, "every step is made once");
  expect(lacking.failures.size() == 1 && lacking.failures[0].find("ran out of memory") != std::string::npos,
         "what failed is told once");

  std::string told;
  train::CapturedStep cancelled(std::make_unique<Failing>(told, [] { throw resnet_torch::abortedError(); }),
                                [](const train::StepInputs&) {});
  const auto run = [&] { cancelled.run({at::ones({4, 3}), at::zeros({4}, at::kLong), {}}, 1); };
  for (int i = 0; i < 3; ++i) run();
  bool aborted = false;
  try {
    run();
  } catch (const resnet_torch::Error& error) {
    aborted = error.code() == "ERR_ABORTED";
  }
  expect(aborted && !cancelled.takeFailure() && told == "rrrC", "an abortion is no failure: " + told);

  // A session goes on with the same results.
  computeOnDevice(true);
  const optim::Adam adam;
  std::map<std::string, at::Tensor> values[2];
  for (const bool graph : {false, true}) {
    Plan plan{17, 530'000, "", adam, {}};
    plan.cudaGraph = graph;
    Run session(plan);
    host_recorder::counts() = {};
    if (graph) host_recorder::failNextRecord();
    for (int i = 0; i < 7; ++i) session.step(i);
    values[graph ? 1 : 0] = session.values();
    const auto notes = session.session->takeNotes();
    expect(notes.size() == (graph ? 1 : 0), "a session tells of it once");
    if (!graph) continue;
    expect(notes[0].code == "step-not-recorded" && notes[0].message.find("--cuda-graph") != std::string::npos &&
               notes[0].message.find("no graph") != std::string::npos,
           notes[0].message);
    expect(host_recorder::counts() == host_recorder::Counts{3, 1, 0}, "steps behind it are made plainly");
  }
  expect(same(values[1], values[0]), "values after a recording that failed");
}
