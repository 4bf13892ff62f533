#include "core/available_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <sstream>

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

/// The names of a version's files.
struct Names {
  std::initializer_list<const char*> limits;
  const char *used, *cached;
};
const Names kSecond{{"memory.max", "memory.high"}, "memory.current", "inactive_file"};
const Names kFirst{{"memory.limit_in_bytes"}, "memory.usage_in_bytes", "total_inactive_file"};

/// Takes the limits of one group into account. Pages of files that are only cached are given back when memory is
/// short.
void take(const std::string& folder, const Names& names, ControlGroupMemory& into) {
  std::optional<std::uint64_t> limit;
  for (const char* name : names.limits)
    if (const auto said = numberIn(folder + "/" + name)) limit = std::min(limit.value_or(UINT64_MAX), *said);
  if (!limit) return;
  into.limit = std::min(into.limit, *limit);
  const auto used = numberIn(folder + "/" + names.used);
  if (!used) return;
  const auto cached = std::min(numberAfter(folder + "/memory.stat", names.cached).value_or(0), *used);
  into.left = std::min(into.left, *limit - std::min(*limit, *used - cached));
}

/// The path of this process's group in the tree of some controllers, as `/a/b`; empty where it is in none. The second
/// version's tree names no controllers.
std::string groupPath(const std::string& file, const std::string& controller) {
  std::ifstream groups(file);
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::istringstream controllers(line.substr(first + 1, second - first - 1));
    bool found = controller.empty() && second == first + 1;
    for (std::string name; std::getline(controllers, name, ',');) found = found || name == controller;
    if (found) return line.substr(second + 1);
  }
  return {};
}

/// The group and all around it, up to the mount, which in a container may be the group itself.
void takeTree(const std::string& mount, std::string path, const Names& names, ControlGroupMemory& into) {
  while (!path.empty() && path != "/") {
    take(mount + path, names, into);
    const auto slash = path.find_last_of('/');
    path.resize(slash == std::string::npos ? 0 : slash);
  }
  take(mount, names, into);
}

std::uint64_t machineMemory() {
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

ControlGroupMemory controlGroupMemory(const ControlGroupFiles& files) {
  ControlGroupMemory memory;
  takeTree(files.second, groupPath(files.groups, ""), kSecond, memory);
  takeTree(files.first, groupPath(files.groups, "memory"), kFirst, memory);
  return memory;
}

std::size_t availableMemory(const ControlGroupFiles& files) {
  std::uint64_t available = machineMemory() / 2;
  if (const auto said = numberAfter("/proc/meminfo", "MemAvailable:")) available = *said * 1024;
  return static_cast<std::size_t>(std::min(available, controlGroupMemory(files).left));
}

}  // namespace resnet_torch
