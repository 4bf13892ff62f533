// Works a feature cache and a loader over it, as the tests beside it ask. Prints the cache's figures as JSON.
// Usage: feature-cache fill|check DIRECTORY FIRST COUNT | memory LIMIT COUNT | speed
//        feature-cache passes DIRECTORY LIST EPOCH VIEWS center|random|erased [RESIZE]

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "data/loader.h"

using namespace resnet_torch;
using namespace resnet_torch::data;

namespace {

/// No multiple of 64: slots are larger than entries.
constexpr std::size_t kEntryBytes = 40'008;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "feature-cache: %s\n", what.c_str());
  std::exit(1);
}

FeatureCacheOptions optionsFor(const std::string& directory) {
  FeatureCacheOptions options;
  options.mode = FeatureCacheOptions::Mode::kDisk;
  options.entryBytes = kEntryBytes;
  options.units = 17;
  options.directory = directory;
  options.storeKey = "0123456789abcdef";
  return options;
}

FeatureKey keyOf(std::uint64_t number) {
  return hash128(&number, sizeof(number));
}

/// What belongs to a key, and to no other.
std::vector<std::uint8_t> payloadOf(const FeatureKey& key) {
  std::vector<std::uint8_t> bytes(kEntryBytes);
  std::uint64_t state = key.high;
  for (auto& byte : bytes) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<std::uint8_t>(state >> 56);
  }
  return bytes;
}

void print(const FeatureCache& cache) {
  const auto stats = cache.stats();
  std::printf("{\"hits\":%llu,\"misses\":%llu,\"entries\":%llu,\"bytes\":%llu,\"damaged\":%llu,\"stopped\":\"%s\"}\n",
              static_cast<unsigned long long>(stats.hits), static_cast<unsigned long long>(stats.misses),
              static_cast<unsigned long long>(stats.entries), static_cast<unsigned long long>(stats.bytes),
              static_cast<unsigned long long>(stats.damaged), stats.stopped.c_str());
}

/// Asks for each entry; what is there must be right.
void check(FeatureCache& cache, std::uint64_t first, std::uint64_t count) {
  std::vector<std::uint8_t> row(kEntryBytes);
  for (auto number = first; number < first + count; ++number) {
    const auto key = keyOf(number);
    if (cache.read(key, row.data()) && row != payloadOf(key)) fail("an entry is not what was written");
  }
}

/// From three threads at once, which meet now and then.
void fill(FeatureCache& cache, std::uint64_t first, std::uint64_t count) {
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&, thread] {
      for (auto number = first + thread / 2; number < first + count; number += 2) {
        const auto key = keyOf(number);
        cache.write(key, payloadOf(key).data());
        check(cache, number, 1);
      }
    });
  }
  for (auto& each : threads) each.join();
}

void memory(std::uint64_t limit, std::uint64_t count) {
  FeatureCacheOptions options;
  options.entryBytes = kEntryBytes;
  options.units = 17;
  options.memoryLimit = limit;
  FeatureCache cache(options);
  cache.open();
  fill(cache, 0, count);
  check(cache, 0, count);
  print(cache);
}

/// Gigabytes a second, of the checksum and of reading what the system has in memory.
void speed() {
  std::vector<std::uint8_t> bytes(std::size_t{256} << 20, 7);
  const auto start = std::chrono::steady_clock::now();
  const auto hash = hash64(bytes.data(), bytes.size());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%.1f GB/s (%llx)\n", static_cast<double>(bytes.size()) / seconds.count() / 1e9,
              static_cast<unsigned long long>(hash));
}

std::shared_ptr<FileList> readList(const char* path) {
  auto files = std::make_shared<FileList>();
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    files->labels.push_back(static_cast<std::int32_t>(files->paths.size()));
    files->paths.push_back(line);
  }
  return files;
}

/// One pass with the cache and one without, which must agree: the "features" are the pixels themselves.
void passes(const char* directory, const char* list, std::uint64_t epoch, std::int64_t views, const std::string& view,
            int resize) {
  constexpr int kSide = 32;
  constexpr std::size_t kBytes = kSide * kSide * 3;
  auto cached = optionsFor(directory);
  cached.entryBytes = kBytes;
  const auto cache = std::make_shared<FeatureCache>(cached);
  cache->open();
  LoaderOptions options;
  options.files = readList(list);
  options.view.crop.kind = view == "random" ? CropOptions::Kind::kRandom : CropOptions::Kind::kCenter;
  options.view.crop.size = kSide;
  options.view.crop.resize = resize;
  options.view.crop.flip = 0.5;
  if (view == "erased") options.view.transforms.push_back({&kRandomErasing, {1, 0.02, 0.33, 0.3, 3.3}});
  options.batchSize = 5;
  options.shuffle = true;
  options.seed = 3;
  options.epoch = epoch;
  options.workers = 3;
  options.prefetch = 2;
  options.skipCorrupt = true;
  options.views = views;
  Loader plain(options);
  options.features = cache;
  Loader loader(options);
  while (true) {
    const auto expected = plain.waitNext(std::chrono::minutes(1));
    const auto batch = loader.waitNext(std::chrono::minutes(1));
    if (expected.has_value() != batch.has_value()) fail("passes of different lengths");
    if (!batch) break;
    const auto count = static_cast<std::size_t>(batch->count);
    if (batch->indices != expected->indices || batch->targets.indices != expected->targets.indices ||
        batch->failures.size() != expected->failures.size())
      fail("batches of different images");
    if (batch->cache != cache || batch->keys.size() != count || batch->features.size() != count * kBytes ||
        batch->images.size() != batch->missing.size() * kBytes)
      fail("a batch of wrong sizes");
    std::size_t image = 0;
    for (std::size_t position = 0; position < count; ++position) {
      const bool isMissing =
          image < batch->missing.size() && batch->missing[image] == static_cast<std::int32_t>(position);
      const auto* row =
          isMissing ? batch->images.data() + image * kBytes : batch->features.data() + position * kBytes;
      if (std::memcmp(row, expected->images.data() + position * kBytes, kBytes) != 0) fail("wrong pixels");
      if (isMissing) cache->write(batch->keys[position], row);
      image += isMissing ? 1 : 0;
    }
    if (image != batch->missing.size()) fail("missing positions are not in order");
  }
  cache->close();
  print(*cache);
}

}  // namespace

int main(int count, char** words) {
  // As Node has it: a file that grows beyond the limit is an error, not the end.
  std::signal(SIGXFSZ, SIG_IGN);
  const std::string command = count > 1 ? words[1] : "";
  const auto number = [&](int word) { return std::strtoull(words[word], nullptr, 10); };
  if (command == "memory" && count == 4) {
    memory(number(2), number(3));
  } else if (command == "speed") {
    speed();
  } else if (command == "passes" && (count == 7 || count == 8)) {
    passes(words[2], words[3], number(4), static_cast<std::int64_t>(number(5)), words[6],
           count > 7 ? static_cast<int>(number(7)) : 40);
  } else if ((command == "fill" || command == "check") && count == 5) {
    FeatureCache cache(optionsFor(words[2]));
    cache.open();
    if (command == "fill") fill(cache, number(3), number(4));
    check(cache, number(3), number(4));
    cache.close();
    check(cache, number(3), number(4));
    print(cache);
  } else {
    fail("wrong usage");
  }
  return 0;
}
