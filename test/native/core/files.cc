// Attacks core/atomic_file and core/available_memory. Usage: files <empty folder>; prints what it checked.

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/available_memory.h"
#include "core/errors.h"

using namespace resnet_torch;
namespace fs = std::filesystem;

namespace {

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "files: %s\n", what.c_str());
  std::exit(1);
}

void put(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

std::set<std::string> namesIn(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

void makeOld(const fs::path& path, std::time_t seconds) {
  const utimbuf times{std::time(nullptr) - seconds, std::time(nullptr) - seconds};
  expect(utime(path.c_str(), &times) == 0, "a file's time");
}

/// The temporary file of a writer that is killed, in a process of its own, as a container's first process is.
std::string leftBehind(const fs::path& path) {
  const auto before = namesIn(path.parent_path());
  const auto child = fork();
  if (child == 0) {
    AtomicFile file(path);
    file.write("half", 4);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  for (const auto& name : namesIn(path.parent_path()))
    if (!before.contains(name)) return name;
  expect(false, "nothing was left behind");
  return {};
}

void atomicFiles(const fs::path& folder) {
  const auto path = folder / "last.safetensors";
  put(path, "before");
  std::set<std::string> names;
  for (int writer = 0; writer < 50; ++writer) names.insert(leftBehind(path));
  expect(names.size() == 50, "killed writers take names of their own, also where they are equal processes");
  const std::string pattern = ".last.safetensors.0123456789abcdef.tmp";
  for (const auto& name : names) {
    expect(name.size() == pattern.size() && name.starts_with(".last.safetensors.") && name.ends_with(".tmp"), name);
    makeOld(folder / name, name == *names.begin() ? 60 : 2 * 3600);
  }
  // Not a writer's: another file's, a person's, a folder.
  const std::vector<std::string> others = {".other.safetensors.0123456789abcdef.tmp", ".last.safetensors.mine.tmp",
                                           ".last.safetensors.0123456789abcdeg.tmp", "last.safetensors.12-0.tmp"};
  for (const auto& name : others) {
    put(folder / name, "");
    makeOld(folder / name, 2 * 3600);
  }
  const auto nested = folder / ".last.safetensors.aaaaaaaaaaaaaaaa.tmp";
  fs::create_directory(nested);
  makeOld(nested, 2 * 3600);
  {
    AtomicFile file(path);
    expect(namesIn(folder).size() == 1 + 1 + others.size() + 1 + 1, "what was left an hour ago is gone, no more");
    file.write("after", 5);
  }
  expect(fs::file_size(path) == 6, "a file that is not committed changes nothing");
  AtomicFile file(path);
  file.write("after", 5);
  file.commit();
  expect(fs::file_size(path) == 5, "a file that is committed is there");
  expect(namesIn(folder).size() == 1 + 1 + others.size() + 1, "and nothing else");
  for (const auto& name : others) expect(fs::exists(folder / name), name);

  AtomicFile longest(folder / std::string(255, 'x'));
  longest.commit();
  expect(fs::exists(folder / std::string(255, 'x')), "a name as long as names may be");
  try {
    AtomicFile nowhere("/no such folder/file");
    expect(false, "a folder that is not there");
  } catch (const Error& error) {
    expect(error.code() == "ERR_FILE" && std::string(error.what()).starts_with("/no such folder/file could not"),
           error.what());
  }
}

struct Group {
  std::string folder, file, text;
};

ControlGroupMemory told(const fs::path& folder, const std::string& groups, const std::vector<Group>& files) {
  fs::remove_all(folder);
  put(folder / "cgroup", groups);
  for (const auto& [in, file, text] : files) put(folder / in / file, text);
  return controlGroupMemory({folder / "cgroup", folder / "second", folder / "first"});
}

void controlGroups(const fs::path& folder) {
  constexpr auto kNone = UINT64_MAX;
  const auto is = [](const ControlGroupMemory& memory, std::uint64_t limit, std::uint64_t left, const char* what) {
    expect(memory.limit == limit && memory.left == left,
           std::string(what) + ": " + std::to_string(memory.limit) + ", " + std::to_string(memory.left));
  };
  is(told(folder, "", {}), kNone, kNone, "no groups");
  is(told(folder, "0::/\n", {{"second", "memory.max", "max"}}), kNone, kNone, "no limit");
  const Group used{"second/a/b", "memory.current", "300"},
      stat{"second/a/b", "memory.stat", "anon 9\ninactive_file 100\n"};
  is(told(folder, "0::/a/b\n", {{"second/a/b", "memory.max", "1000"}, used, stat}), 1000, 800, "memory.max");
  is(told(folder, "0::/a/b\n",
          {{"second/a/b", "memory.max", "1000"}, {"second/a/b", "memory.high", "600"}, used, stat}),
     600, 400, "memory.high");
  is(told(folder, "0::/a/b\n",
          {{"second/a/b", "memory.max", "max"}, {"second/a/b", "memory.high", "600"}, used, stat}),
     600, 400, "memory.high alone");
  is(told(folder, "0::/a/b\n",
          {{"second/a/b", "memory.max", "1000"},
           used,
           stat,
           {"second/a", "memory.max", "700"},
           {"second/a", "memory.current", "650"}}),
     700, 50, "a group around it that allows less");
  is(told(folder, "0::/a/b\n", {{"second", "memory.max", "500"}, {"second", "memory.current", "600"}}), 500, 0,
     "a container, whose mount is the group itself");
  is(told(folder, "12:cpu,memory:/a\n3:pids:/b\n",
          {{"first/a", "memory.limit_in_bytes", "400"},
           {"first/a", "memory.usage_in_bytes", "90"},
           {"first/a", "memory.stat", "total_inactive_file 40"},
           {"first/b", "memory.limit_in_bytes", "1"}}),
     400, 350, "the first version");
  is(told(folder, "9:memory:/docker/x\n0::/\n",
          {{"first", "memory.limit_in_bytes", "250"}, {"second", "memory.max", "900"}}),
     250, kNone, "both versions");
  const fs::path second = folder / "second";
  told(folder, "0::/a\n", {{"second/a", "memory.max", "9000"}, {"second/a", "memory.current", "2000"}});
  expect(availableMemory({folder / "cgroup", second, folder / "first"}) == 7000, "less than the machine has");
  expect(availableMemory() > 0, "this machine");
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) return 2;
  fs::create_directory(fs::path(words[1]) / "files");
  atomicFiles(fs::path(words[1]) / "files");
  controlGroups(fs::path(words[1]) / "groups");
  std::printf("checked\n");
  return 0;
}
