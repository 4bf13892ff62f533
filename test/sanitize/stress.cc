// Drives the loader, the scan and the executor as hard as it can, for the sanitizers to watch. Prints what it
// counted. Usage: stress <list of image files> [<libvips>]

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/executor.h"
#include "data/image_cache.h"
#include "data/loader.h"
#include "data/other_formats.h"
#include "data/scan.h"

using namespace resnet_torch;
using namespace resnet_torch::data;

namespace {

using Files = std::shared_ptr<FileList>;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "stress: %s\n", what.c_str());
  std::exit(1);
}

Files readList(const char* path) {
  auto files = std::make_shared<FileList>();
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    files->labels.push_back(static_cast<std::int32_t>(files->paths.size()));
    files->paths.push_back(line);
  }
  return files;
}

LoaderOptions optionsFor(const Files& files, int workers, int prefetch) {
  LoaderOptions options;
  options.files = files;
  options.view.crop.kind = CropOptions::Kind::kRandom;
  options.view.crop.size = 64;
  options.view.crop.flip = options.view.crop.verticalFlip = 0.5;
  options.view.transforms = {{&kColorJitter, {0.6, 1.4, 0.6, 1.4, 0.6, 1.4, -0.1, 0.1}},
                             {&kGrayscale, {0.1}},
                             {&kRandomErasing, {0.5, 0.02, 0.33, 0.3, 3.3}}};
  options.batchSize = 7;
  options.shuffle = true;
  options.mergeLastSingle = true;
  options.seed = 3;
  options.epoch = 2;
  options.workers = workers;
  options.prefetch = prefetch;
  options.skipCorrupt = true;
  return options;
}

/// All pixels of a pass, batches taken in both ways by turns.
std::vector<std::uint8_t> pixelsOf(const LoaderOptions& options) {
  Loader loader(options);
  std::vector<std::uint8_t> pixels;
  for (int turn = 0; !loader.exhausted(); ++turn) {
    std::optional<Batch> batch;
    if (turn % 3 == 0) {
      std::promise<Loader::Answer> promise;
      loader.requestNext([&](Loader::Answer answer) { promise.set_value(std::move(answer)); });
      auto answer = promise.get_future().get();
      if (answer.error) std::rethrow_exception(answer.error);
      batch = std::move(answer.batch);
    } else {
      batch = loader.waitNext(std::chrono::minutes(1));
    }
    if (!batch) fail("a batch did not come");
    pixels.insert(pixels.end(), batch->images.begin(), batch->images.end());
  }
  return pixels;
}

void equalPasses(const Files& files) {
  std::vector<std::uint8_t> first;
  for (const int workers : {1, 3, 4}) {
    for (const int prefetch : {1, 3}) {
      auto pixels = pixelsOf(optionsFor(files, workers, prefetch));
      if (first.empty())
        first = std::move(pixels);
      else if (pixels != first)
        fail("a pass depends on its workers");
    }
  }
  std::printf("passes of %zu bytes\n", first.size());
}

void cachedPasses(const Files& files) {
  const auto plain = pixelsOf(optionsFor(files, 1, 1));
  for (const std::size_t limit : {std::size_t{100000}, std::size_t{1} << 30}) {
    auto options = optionsFor(files, 4, 3);
    options.imageCache = std::make_shared<ImageCache>(limit);
    for (int pass = 0; pass < 3; ++pass)
      if (pixelsOf(options) != plain) fail("a pass depends on its cache");
    std::printf("%zu pictures held\n", options.imageCache->held().images);
  }
}

void earlyEnds(const Files& files) {
  for (int delay = 0; delay < 20; ++delay) {
    auto loader = std::make_unique<Loader>(optionsFor(files, 3, 2));
    loader->requestNext([](Loader::Answer) {});
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
  }
  std::printf("early ends\n");
}

void scan(const Files& files) {
  std::promise<std::size_t> readable;
  scanImages(
      files, 3, std::make_shared<CancelFlag>(), [](std::size_t) {},
      [&](std::vector<ScannedImage> images, std::exception_ptr) {
        std::size_t ok = 0;
        for (const auto& image : images) ok += image.ok ? 1 : 0;
        readable.set_value(ok);
      });
  std::printf("scan %zu of %zu\n", readable.get_future().get(), files->paths.size());
}

/// Writers and readers of a cache that meet, and a pass over what they left while it is written.
void featureCache(const Files& files, FeatureCacheOptions::Mode mode) {
  FeatureCacheOptions cached;
  cached.mode = mode;
  cached.entryBytes = 5000;
  cached.units = 1;
  cached.directory = "features";
  cached.memoryLimit = 1 << 20;
  const auto cache = std::make_shared<FeatureCache>(cached);
  cache->open();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::vector<std::uint8_t> row(5000);
      for (std::uint64_t number = 0; number < 300; ++number) {
        const auto key = hash128(&number, sizeof(number));
        if (thread % 2 == 0) cache->write(key, std::vector<std::uint8_t>(5000, number).data());
        if (cache->read(key, row.data()) && row.back() != number % 256) fail("an entry is another's");
        if (cache->stats().entries > 300 + files->paths.size()) fail("too many entries");
      }
    });
  }
  auto options = optionsFor(files, 3, 2);
  options.features = cache;
  Loader loader(options);
  while (auto batch = loader.waitNext(std::chrono::minutes(1)))
    for (const auto position : batch->missing) cache->write(batch->keys[position], batch->features.data());
  for (auto& each : threads) each.join();
  if (mode == FeatureCacheOptions::Mode::kDisk) cache->close();
  std::printf("cache of %llu\n", static_cast<unsigned long long>(cache->stats().entries));
}

/// Waits now and then, and counts its ends.
class CountingJob final : public Job {
 public:
  CountingJob(std::atomic<int>& ended, int units)
      : Job(std::make_shared<CancelFlag>()), ended_(ended), left_(units) {}
  Progress advance() override {
    if (--left_ <= 0) return Progress::kDone;
    return left_ % 3 == 0 ? Progress::kWaiting : Progress::kMore;
  }
  void finish() override { ++ended_; }
  void fail(std::exception_ptr) override { ++ended_; }

 private:
  std::atomic<int>& ended_;
  int left_;
};

/// Environments are loaded while an earlier one's work runs.
void executor() {
  constexpr int kJobs = 400;
  std::atomic<int> ended{0}, begun{0}, others{0};
  Executor::setHooks({[&begun](const std::string&, int) { ++begun; }, {}});
  auto& executor = Executor::forDevice("stress");
  std::vector<std::thread> askers;
  for (int environment = 0; environment < 2; ++environment) {
    askers.emplace_back([&, environment] {
      for (int load = 0; load < 50; ++load) {
        Executor::setHooks(
            {[&others](const std::string&, int) { ++others; }, [&others](const std::string&) { ++others; }});
        Executor::setThreads(1 + (load + environment) % 3);
      }
    });
  }
  for (int asker = 0; asker < 4; ++asker) {
    askers.emplace_back([&, asker] {
      for (int i = 0; i < kJobs / 4; ++i) {
        auto job = std::make_shared<CountingJob>(ended, i % 7);
        if (i % 5 == 0) job->cancelFlag().cancel();
        executor.submit(std::move(job), static_cast<Priority>((asker + i) % 3));
        if (i % 11 == 0) executor.wake();
      }
    });
  }
  for (auto& asker : askers) asker.join();
  for (int wait = 0; ended < kJobs && wait < 3000; ++wait) {
    executor.wake();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (ended != kJobs) fail("a job was lost");
  if (begun == 0 || others != 0) fail("the hooks of a later environment took the place of the first's");
  Executor::stopAll();
  executor.submit(std::make_shared<CountingJob>(ended, 1), Priority::kControl);
  if (ended != kJobs + 1) fail("a job after the end was not refused");
  std::printf("executor %d jobs\n", kJobs);
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) fail("no list of files");
  if (count > 2) setVipsLibrary(words[2]);
  const auto files = readList(words[1]);
  equalPasses(files);
  cachedPasses(files);
  earlyEnds(files);
  scan(files);
  featureCache(files, FeatureCacheOptions::Mode::kMemory);
  featureCache(files, FeatureCacheOptions::Mode::kDisk);
  executor();
  // The process ends while threads decode.
  auto* abandoned = new Loader(optionsFor(files, 3, 2));
  abandoned->requestNext([](Loader::Answer) {});
  std::exit(0);
}
