#include "core/cores_turn.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

namespace resnet_torch {

namespace {

std::atomic<bool> takenNow{false};

/// Never destroyed: threads may outlast static objects.
struct Listeners {
  std::mutex mutex;
  std::vector<const std::function<void()>*> calls;
};

Listeners& listeners() {
  static auto* instance = new Listeners;
  return *instance;
}

}  // namespace

bool CoresTurn::taken() {
  return takenNow.load(std::memory_order_acquire);
}

void CoresTurn::take() {
  takenNow.store(true, std::memory_order_release);
}

void CoresTurn::give() {
  if (!takenNow.exchange(false)) return;
  auto& all = listeners();
  std::lock_guard lock(all.mutex);
  for (const auto* call : all.calls) (*call)();
}

CoresTurn::Listener::Listener(std::function<void()> given) : given_(std::move(given)) {
  auto& all = listeners();
  std::lock_guard lock(all.mutex);
  all.calls.push_back(&given_);
}

CoresTurn::Listener::~Listener() {
  auto& all = listeners();
  std::lock_guard lock(all.mutex);
  std::erase(all.calls, &given_);
}

}  // namespace resnet_torch
