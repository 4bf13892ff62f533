#include "recorder.h"

#include <ATen/record_function.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <cstring>

#include "../emulator/observer.h"
#include "cuda/step_recorder.h"
#include "runs.h"

// Stands in for a CUDA graph, on the host. A graph does again what was recorded, with the same arguments in the same
// memory; here the work is done again, and everything that it asks for must be what it asked for when it was
// recorded: each kernel's arguments, and each operation of ATen with its tensors' places and its scalars. Memory that
// the work allocates comes from a pool that begins anew, as a graph's own, and holds nothing of value when it does.
namespace {

namespace train = resnet_torch::train;

/// While it is open, the CPU's tensors are given the same places in the same order.
class Pool final : public c10::Allocator {
 public:
  static Pool& instance() {
    static auto* pool = new Pool;  // tensors in it may outlive everything
    return *pool;
  }

  void open() {
    std::memset(memory_, 0xff, used_);  // not a number
    used_ = 0;
    open_ = true;
  }
  void close() { open_ = false; }

  c10::DataPtr allocate(std::size_t bytes) override {
    if (!open_) return c10::GetDefaultCPUAllocator()->allocate(bytes);
    constexpr std::size_t kAlignment = 64;
    void* place = memory_ + used_;
    used_ += (bytes + kAlignment) / kAlignment * kAlignment;
    expect(used_ <= kBytes, "the pool is too small");
    return {place, place, release, at::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { std::memcpy(to, from, bytes); }

 private:
  static constexpr std::size_t kBytes = std::size_t{8} << 30;

  static void release(void* place) {
    const auto* start = instance().memory_;
    const bool mine = start <= place && place < start + kBytes;
    if (!mine) c10::GetDefaultCPUAllocator()->raw_deleter()(place);
  }

  Pool() {
    void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    expect(memory != MAP_FAILED, "memory for a pool");
    memory_ = static_cast<char*>(memory);
    c10::SetCPUAllocator(this, /*priority=*/100);
  }

  char* memory_ = nullptr;
  std::size_t used_ = 0;
  bool open_ = false;
};

std::string told(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string told(const at::Tensor& tensor) {
  if (!tensor.defined()) return "none";
  if (!tensor.has_storage()) return "opaque";
  const bool scalar = tensor.unsafeGetTensorImpl()->is_wrapped_number();
  if (scalar && tensor.scalar_type() == at::kDouble) return told(*tensor.const_data_ptr<double>());
  if (scalar && tensor.scalar_type() == at::kLong) return std::to_string(*tensor.const_data_ptr<std::int64_t>());
  std::string text = std::string(at::toString(tensor.scalar_type())) + "@";
  text += std::to_string(reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()));
  for (const auto size : tensor.sizes()) text += "," + std::to_string(size);
  return text;
}

std::string told(const c10::IValue& value) {
  if (value.isTensor()) return told(value.toTensor());
  if (value.isInt()) return std::to_string(value.toInt());
  if (value.isDouble()) return told(value.toDouble());
  if (value.isBool()) return value.toBool() ? "true" : "false";
  std::string list = value.tagKind();
  if (value.isIntList())
    for (const std::int64_t item : value.toIntVector()) list += " " + std::to_string(item);
  if (value.isTensorList())
    for (const at::Tensor& item : value.toTensorVector()) list += " " + told(item);
  return list;
}

std::vector<std::string>* log = nullptr;
std::string fault;  // thrown later: nothing may be thrown where operations are observed

std::unique_ptr<at::ObserverContext> operationBegins(const at::RecordFunction& function) {
  if (!log) return nullptr;
  const std::string name = function.name();
  // A device would have to be waited for, which a recording cannot.
  for (const char* waits : {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::equal"})
    if (name == waits) fault = name + " reads what the device has made, in a step that is recorded";
  auto entry = name;
  for (const auto& input : function.inputs()) entry += " " + told(input);
  log->push_back(entry);
  return nullptr;
}

bool failsNext = false;

class HostRecorder final : public train::StepRecorder {
 public:
  HostRecorder() {
    Pool::instance();
    static const auto handle = at::addGlobalCallback(
        at::RecordFunctionCallback(operationBegins).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
    static_cast<void>(handle);
  }

  void rehearse(const std::function<void()>& work) override {
    ++host_recorder::counts().rehearsals;
    work();
  }

  void record(const std::function<void()>& work) override {
    ++host_recorder::counts().records;
    if (std::exchange(failsNext, false)) throw Wrong("no graph");
    work_ = work;
    recorded_ = logged();
    done_ = true;
  }

  void replay() override {
    ++host_recorder::counts().replays;
    // The first time it was done already: the host cannot record without doing.
    if (std::exchange(done_, false)) return;
    const auto again = logged();
    for (std::size_t i = 0; i < std::min(again.size(), recorded_.size()); ++i)
      expect(again[i] == recorded_[i], "entry " + std::to_string(i) + " of a step was recorded as " +
                                           printable(recorded_[i]) + ", and would be " + printable(again[i]));
    expect(again.size() == recorded_.size(), "a step has become longer or shorter than it was recorded");
  }

 private:
  std::vector<std::string> logged() {
    std::vector<std::string> entries;
    const auto close = [] {
      log = nullptr;
      emulator::observer() = nullptr;
      Pool::instance().close();
    };
    Pool::instance().open();
    log = &entries;
    emulator::observer() = [&](const std::string& launch) { entries.push_back("launch " + launch); };
    try {
      work_();
    } catch (...) {
      close();
      throw;
    }
    close();
    expect(fault.empty(), std::exchange(fault, {}));
    return entries;
  }

  static std::string printable(const std::string& entry) {
    std::string text;
    for (const char letter : entry) {
      char hex[4];
      std::snprintf(hex, sizeof hex, "%02x", static_cast<unsigned char>(letter));
      text += letter >= ' ' && letter <= '~' ? std::string(1, letter) : "\\x" + std::string(hex);
    }
    return text;
  }

  std::function<void()> work_;
  std::vector<std::string> recorded_;
  bool done_ = false;
};

}  // namespace

namespace host_recorder {

Counts& counts() {
  static Counts all;
  return all;
}

void failNextRecord() {
  failsNext = true;
}

}  // namespace host_recorder

namespace resnet_torch::cuda {

std::unique_ptr<train::StepRecorder> makeStepRecorder(at::Device) {
  return std::make_unique<HostRecorder>();
}

}  // namespace resnet_torch::cuda
