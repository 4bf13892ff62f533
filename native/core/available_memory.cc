#include "core/available_memory.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>

namespace resnet_torch {

namespace {

/// The number that a file begins with; nothing where there is no such file, or it says `max`.
std::optional<std::uint64_t> numberIn(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

/// The number behind a name that begins a line.
std::optional<std::uint64_t> numberAfter(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    std::uint64_t value = 0;
    if (word == name && file >> value) return value;
  }
  return std::nullopt;
}

/// What the limit of a control group leaves. Pages of files that are only cached are given back when memory is short.
std::optional<std::uint64_t> leftIn(const std::string& folder, const char* limitName, const char* usedName,
                                    const char* cachedName) {
  const auto limit = numberIn(folder + limitName), used = numberIn(folder + usedName);
  if (!limit || !used) return std::nullopt;
  const auto cached = std::min(numberAfter(folder + "memory.stat", cachedName).value_or(0), *used);
  return *limit - std::min(*limit, *used - cached);
}

/// The folder of this process's group in the tree that `kind` names: empty in the second version, `memory` in the
/// first.
std::string groupFolder(const std::string& mount, const std::string& kind) {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos || line.substr(first + 1, second - first - 1) != kind) continue;
    return mount + line.substr(second + 1) + "/";
  }
  return mount + "/";
}

}  // namespace

std::size_t availableMemory() {
  const auto machine =
      static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::uint64_t available = machine / 2;
  if (const auto said = numberAfter("/proc/meminfo", "MemAvailable:")) available = *said * 1024;
  constexpr char kSecond[] = "/sys/fs/cgroup", kFirst[] = "/sys/fs/cgroup/memory";
  // In a container the group's path may be that of the machine, and the mount the group itself.
  for (const auto& folder : {groupFolder(kSecond, ""), std::string(kSecond) + "/"})
    if (const auto left = leftIn(folder, "memory.max", "memory.current", "inactive_file"))
      available = std::min(available, *left);
  for (const auto& folder : {groupFolder(kFirst, "memory"), std::string(kFirst) + "/"})
    if (const auto left = leftIn(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))
      available = std::min(available, *left);
  return static_cast<std::size_t>(available);
}

}  // namespace resnet_torch
