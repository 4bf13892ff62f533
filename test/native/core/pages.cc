// Attacks core/pages. Usage: pages <empty folder>; prints what it checked.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "core/available_memory.h"
#include "core/pages.h"

using namespace resnet_torch;
namespace fs = std::filesystem;

namespace {

using Fit = Pages::Fit;

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr auto kAtOnce = std::chrono::nanoseconds(0);

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "pages: %s\n", what.c_str());
  std::exit(1);
}

void put(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

/// Takes so many bytes and writes them whole, as a sanitizer or the system would find if they were not there.
void* filled(Pages& pages, std::size_t bytes, Fit fit = Fit::kLoose) {
  void* const memory = pages.take(bytes, fit);
  expect(reinterpret_cast<std::uintptr_t>(memory) % Pages::kAlignment == 0, "alignment");
  std::memset(memory, 0x5A, bytes);
  return memory;
}

/// Gives so many blocks at once.
void use(Pages& pages, std::size_t bytes, int count) {
  std::vector<void*> blocks;
  for (int i = 0; i < count; ++i) blocks.push_back(filled(pages, bytes));
  for (void* const block : blocks) pages.give(block);
}

void reuse() {
  Pages pages([] { return 1024 * kMiB; });
  const Pages::Keeping keeping(pages);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, Pages::kLeast - 1}) {
    pages.give(filled(pages, bytes));
    expect(pages.usage().kept == 0, "small blocks are malloc's");
  }
  pages.give(nullptr);

  // What one kind of user gave is there for another, as large as each fit allows.
  void* const batch = filled(pages, 8 * kMiB);
  expect(pages.usage().used >= 8 * kMiB && pages.usage().kept == 0, "in use");
  pages.give(batch);
  expect(pages.usage().used == 0 && pages.usage().kept >= 8 * kMiB, "kept");
  expect(filled(pages, 8 * kMiB, Fit::kTight) == batch, "the same size");
  pages.give(batch);
  expect(filled(pages, 4 * kMiB + 1) == batch, "half of it");
  pages.give(batch);
  void* const others[] = {filled(pages, 3 * kMiB), filled(pages, 9 * kMiB), filled(pages, 7 * kMiB, Fit::kTight)};
  for (void* const other : others) expect(other != batch, "less than half; more; less than fits tightly");
  expect(pages.usage().kept >= 8 * kMiB, "which stays");
  for (void* const other : others) pages.give(other);
  pages.release();
  expect(pages.usage().kept == 0, "released");
  for (const auto bytes : {Pages::kLeast, kMiB, 2 * kMiB - 64, 2 * kMiB, 2 * kMiB + 1, 33 * kMiB})
    for (const auto fit : {Fit::kLoose, Fit::kTight}) pages.give(filled(pages, bytes, fit));
}

void scopes() {
  Pages pages([] { return 1024 * kMiB; });
  use(pages, kMiB, 3);
  expect(pages.usage().kept == 0, "nothing is kept where nobody works");
  {
    const Pages::Keeping loader(pages);
    {
      const Pages::Keeping executor(pages);
      use(pages, kMiB, 3);
    }
    expect(pages.usage().kept >= 3 * kMiB, "kept while there is one that works");
  }
  expect(pages.usage().kept == 0, "released by the last");
}

/// A container of 100 MiB of which 60 are left: the machine's own memory does not count.
void controlGroups(const fs::path& folder, bool second) {
  const auto group = folder / (second ? "second/box" : "first/box");
  put(folder / "cgroup", second ? "0::/box\n" : "5:memory:/box\n");
  const auto state = [&](std::size_t limit, std::size_t used) {
    put(group / (second ? "memory.max" : "memory.limit_in_bytes"), std::to_string(limit * kMiB));
    put(group / (second ? "memory.current" : "memory.usage_in_bytes"), std::to_string(used * kMiB));
  };
  state(100, 40);
  Pages pages([&] { return availableMemory({folder / "cgroup", folder / "second", folder / "first"}); }, kAtOnce);
  const Pages::Keeping keeping(pages);
  pages.give(filled(pages, kMiB));
  expect(pages.usage().budget <= 31 * kMiB && pages.usage().budget >= 29 * kMiB, "half of what is left");

  // What is kept counts as used: 40 − 1 of others, and 30 kept.
  state(100, 70);
  use(pages, 2 * kMiB, 60);
  const auto usage = pages.usage();
  expect(usage.kept <= usage.budget && usage.kept <= 31 * kMiB && usage.kept >= 10 * kMiB,
         "kept within the group: " + std::to_string(usage.kept >> 20) + " of " + std::to_string(usage.budget >> 20));

  // Others in the group take what was left: what is kept goes, with the next block that is given or made.
  state(100, 100);
  void* const block = filled(pages, 48 * kMiB);
  expect(pages.usage().kept <= pages.usage().budget, "less is kept as less is left");
  state(100, 100 + 48);
  pages.give(block);
  expect(pages.usage().kept == 0 && pages.usage().budget <= 25 * kMiB, "a block beyond the budget is not kept");
  if (second) {
    state(1 << 20, 0);
    put(group / "memory.high", "0");
    pages.give(filled(pages, kMiB));
    expect(pages.usage().budget <= 8 * kMiB, "memory.high");
  }
}

/// The budget as use goes up and down, between two looks at the system: kept and used together stay within reach.
void budgetByUse() {
  Pages pages([] { return 64 * kMiB; }, std::chrono::hours(1));
  const Pages::Keeping keeping(pages);
  use(pages, 4 * kMiB, 8);  // 32 MiB were used, so 64 were left beside them or with them
  const auto most = pages.usage().budget;
  expect(pages.usage().kept <= most && pages.usage().kept > 16 * kMiB, "a part of it is kept");
  void* const large = filled(pages, 40 * kMiB);
  expect(pages.usage().budget < most && pages.usage().kept <= pages.usage().budget, "more used, less kept");
  pages.give(large);
  expect(pages.usage().budget == most && pages.usage().kept <= most, "less used, more may be kept");
  for (const bool throws : {false, true}) {
    Pages silent([throws]() -> std::size_t { return throws ? throw std::bad_alloc() : 0; }, kAtOnce);
    const Pages::Keeping too(silent);
    silent.give(filled(silent, 4 * kMiB));
    expect(silent.usage().kept == 0, throws ? "a system that does not answer" : "half of a block is none");
  }
}

std::size_t residentBytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

void backToTheSystem() {
  if (residentBytes() == 0) return;  // a system that does not tell
  Pages pages([] { return 1024 * kMiB; });
  const auto before = residentBytes();
  {
    const Pages::Keeping keeping(pages);
    use(pages, 5 * kMiB, 20);
    expect(residentBytes() > before + 90 * kMiB, "kept pages are there");
  }
  expect(residentBytes() < before + 30 * kMiB, "released pages are not");
}

void shortage() {
  Pages pages([] { return 1024 * kMiB; });
  const Pages::Keeping keeping(pages);
  use(pages, 16 * kMiB, 4);
  for (const auto bytes : {SIZE_MAX, SIZE_MAX / 4, SIZE_MAX / 8}) {
    try {
      pages.take(bytes);
      expect(false, "more memory than there is");
    } catch (const std::bad_alloc&) {
    }
  }
  expect(pages.usage().used == 0 && pages.usage().kept == 0, "all that was kept was given for it");
  use(pages, 16 * kMiB, 1);
  expect(pages.usage().kept >= 16 * kMiB, "and it goes on");
}

/// Blocks pass from thread to thread; each must be of one owner.
void threads() {
  constexpr int kThreads = 4, kRounds = 400, kSlots = 16;
  std::atomic<std::size_t> available = 64 * kMiB;
  Pages pages([&] { return available.load(); }, kAtOnce);
  std::vector<std::atomic<std::uint8_t*>> slots(kSlots);
  std::atomic<bool> ended = false;
  std::thread watch([&] {
    for (std::size_t turn = 0; !ended; ++turn) {
      available = (turn % 64) * kMiB;
      if (turn % 16 == 0) pages.release();
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> workers;
  for (int thread = 0; thread < kThreads; ++thread)
    workers.emplace_back([&, thread] {
      std::uint32_t state = 2463534242U + static_cast<std::uint32_t>(thread);
      for (int round = 0; round < kRounds; ++round) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        const Pages::Keeping keeping(pages);
        const std::size_t bytes = 100'000 + state % (3 * kMiB);
        auto* const mine = static_cast<std::uint8_t*>(pages.take(bytes, state & 1 ? Fit::kLoose : Fit::kTight));
        const auto mark = static_cast<std::uint8_t>(state >> 8);
        mine[0] = mine[bytes - 1] = mine[bytes / 2] = mark;
        std::this_thread::yield();
        expect(mine[0] == mark && mine[bytes - 1] == mark && mine[bytes / 2] == mark, "a block of two owners");
        pages.give(slots[state % kSlots].exchange(mine));
      }
    });
  for (auto& worker : workers) worker.join();
  ended = true;
  watch.join();
  for (auto& slot : slots) pages.give(slot.exchange(nullptr));
  expect(pages.usage().used == 0 && pages.usage().kept == 0, "all is given back");
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) return 2;
  const fs::path folder = words[1];
  reuse();
  scopes();
  for (const bool second : {true, false}) controlGroups(folder / (second ? "v2" : "v1"), second);
  budgetByUse();
  backToTheSystem();
  shortage();
  threads();
  std::printf("checked\n");
  return 0;
}
