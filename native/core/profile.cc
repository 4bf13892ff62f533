#include "core/profile.h"

#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/errors.h"

namespace resnet_torch {

namespace {

using torch::autograd::profiler::KinetoEvent;
using torch::profiler::impl::ActivityType;

thread_local bool recording = false;

using Sums = std::map<std::pair<bool, std::string>, Profiled>;

void add(Sums& sums, const std::string& name, bool onDevice, std::int64_t nanoseconds) {
  auto& sum = sums[{onDevice, name}];
  sum.name = name;
  sum.onDevice = onDevice;
  ++sum.count;
  sum.nanoseconds += nanoseconds;
}

/// Operations that were called by one another overlap: each counts without those within it.
void addOperations(Sums& sums, std::vector<const KinetoEvent*> events) {
  std::sort(events.begin(), events.end(), [](const KinetoEvent* a, const KinetoEvent* b) {
    return a->startNs() != b->startNs() ? a->startNs() < b->startNs() : a->endNs() > b->endNs();
  });
  struct Open {
    const KinetoEvent* event;
    std::int64_t own;
  };
  std::vector<Open> open;
  const auto close = [&] {
    add(sums, open.back().event->name(), false, open.back().own);
    open.pop_back();
  };
  for (const auto* event : events) {
    while (!open.empty() && open.back().event->endNs() <= event->startNs()) close();
    const auto duration = static_cast<std::int64_t>(event->durationNs());
    if (!open.empty()) open.back().own -= duration;
    open.push_back({event, duration});
  }
  while (!open.empty()) close();
}

}  // namespace

void beginProfile(bool device) {
  if (recording) throw Error("ERR_BUSY", "A profile is being recorded already");
  using namespace torch::autograd::profiler;
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
  const std::set<ActivityType> activities = {device ? ActivityType::CUDA : ActivityType::CPU};
  prepareProfiler(config, activities);
  enableProfiler(config, activities);
  recording = true;
}

std::vector<Profiled> endProfile() {
  if (!recording) throw Error("ERR_INVALID_ARGUMENT", "No profile is being recorded");
  recording = false;
  const auto result = torch::autograd::profiler::disableProfiler();
  Sums sums;
  std::map<std::uint64_t, std::vector<const KinetoEvent*>> operations;
  for (const auto& event : result->events()) {
    // As kineto/ActivityType.h numbers them, which only builds with kineto's own headers may include.
    constexpr std::uint8_t kOperation = 0, kCopy = 3, kFill = 4, kKernel = 5;
    const auto type = event.activityType();
    if (type == kCopy || type == kFill || type == kKernel) {
      add(sums, event.name(), true, static_cast<std::int64_t>(event.durationNs()));
    } else if (type == kOperation && !event.isAsync()) {
      operations[event.startThreadId()].push_back(&event);
    }
  }
  for (auto& [thread, events] : operations) addOperations(sums, std::move(events));
  std::vector<Profiled> answer;
  for (auto& [key, sum] : sums) answer.push_back(std::move(sum));
  std::sort(answer.begin(), answer.end(),
            [](const Profiled& a, const Profiled& b) { return a.nanoseconds > b.nanoseconds; });
  return answer;
}

}  // namespace resnet_torch
