#include "data/feature_segment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "core/errors.h"

namespace resnet_torch::data {

namespace {

constexpr std::uint64_t kMagic = 0x3130544145465452;  // "RTFEAT01" in the order of a little-endian machine's bytes

struct Header {
  std::uint64_t magic = kMagic;
  std::uint64_t storeHigh = 0, storeLow = 0;
  std::uint64_t entryBytes = 0, slotBytes = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(Header) == 48);

struct Record {
  std::uint64_t high = 0, low = 0;  // the key
  std::uint64_t payload = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(Record) == 32);

Header headerOf(const SegmentLayout& layout) {
  Header header{kMagic, layout.store.high, layout.store.low, layout.entryBytes, layout.slotBytes(), 0};
  header.checksum = hash64(&header, offsetof(Header, checksum));
  return header;
}

/// Covers the place too: a record that was moved is damaged.
std::uint64_t recordChecksum(const Record& record, std::uint64_t position) {
  return hash64(&record, offsetof(Record, checksum), position + 1);
}

off_t recordOffset(std::uint64_t position) {
  return static_cast<off_t>(sizeof(Header) + position * sizeof(Record));
}

bool writeAll(int file, const void* data, std::size_t bytes, off_t offset) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const auto written = pwrite(file, from, bytes, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    from += written;
    offset += written;
    bytes -= static_cast<std::size_t>(written);
  }
  return true;
}

/// Bytes read, fewer at the end of the file or where it cannot be read.
std::size_t readAll(int file, void* data, std::size_t bytes, off_t offset) {
  auto* to = static_cast<char*>(data);
  std::size_t done = 0;
  while (done < bytes) {
    const auto got = pread(file, to + done, bytes - done, offset + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

std::uint64_t sizeOf(int file) {
  struct stat status{};
  return fstat(file, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::string uniqueName() {
  std::random_device random;
  std::string name;
  for (int i = 0; i < 16; ++i) name += "0123456789abcdef"[random() % 16];
  return name;
}

/// The bytes of an index, or none.
std::vector<char> readIndex(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::vector<char> bytes(sizeOf(file));
  bytes.resize(readAll(file, bytes.data(), bytes.size(), 0));
  close(file);
  return bytes;
}

}  // namespace

std::shared_ptr<FeatureSegment> FeatureSegment::create(const std::string& directory, const SegmentLayout& layout) {
  std::shared_ptr<FeatureSegment> segment(new FeatureSegment(directory + "/" + uniqueName(), layout));
  const auto make = [&](const char* file) {
    const int made = ::open((segment->stem_ + file).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (made < 0) segment->fail(file);
    return made;
  };
  segment->data_ = make(".data");
  segment->index_ = make(".index");
  const auto header = headerOf(layout);
  if (!writeAll(segment->index_, &header, sizeof(header), 0)) segment->fail(".index");
  return segment;
}

FeatureSegment::Opened FeatureSegment::open(const std::string& stem, const SegmentLayout& layout) {
  Opened opened;
  const auto bytes = readIndex(stem + ".index");
  // Another process may be about to write it.
  if (bytes.size() < sizeof(Header)) return opened;
  const auto header = headerOf(layout);
  if (std::memcmp(bytes.data(), &header, sizeof(header)) != 0) {
    opened.damaged = 1;
    return opened;
  }
  std::shared_ptr<FeatureSegment> segment(new FeatureSegment(stem, layout));
  // After the index: payloads come before their records.
  segment->data_ = ::open((stem + ".data").c_str(), O_RDONLY | O_CLOEXEC);
  const auto payloads = segment->data_ < 0 ? 0 : sizeOf(segment->data_) / layout.slotBytes();
  segment->count_ = (bytes.size() - sizeof(Header)) / sizeof(Record);
  for (std::uint64_t position = 0; position < segment->count_; ++position) {
    Record record;
    std::memcpy(&record, bytes.data() + recordOffset(position), sizeof(record));
    const bool forgotten = (record.high | record.low | record.payload | record.checksum) == 0;
    if (forgotten) continue;
    if (position < payloads && record.checksum == recordChecksum(record, position))
      opened.records.push_back({{record.high, record.low}, position, record.payload});
    else
      ++opened.damaged;
  }
  if (!opened.records.empty()) opened.segment = std::move(segment);
  return opened;
}

FeatureSegment::~FeatureSegment() {
  if (data_ >= 0) close(data_);
  if (index_ >= 0) close(index_);
}

void FeatureSegment::fail(const char* file) const {
  throw Error("ERR_FILE", stem_ + file + " could not be written: " + std::strerror(errno));
}

SegmentRecord FeatureSegment::append(const FeatureKey& key, const std::uint8_t* payload) {
  const auto position = count_;
  const auto start = static_cast<off_t>(position * layout_.slotBytes());
  const auto giveUp = [&](const char* file) {
    const int cause = errno;
    // What is left over takes room where there may be none. Failing that, it is written over or never read.
    if (ftruncate(index_, recordOffset(position)) != 0 || ftruncate(data_, start) != 0) count_ = position;
    errno = cause;
    fail(file);
  };
  // The slot's end too, so that a whole slot says that a payload is whole.
  const std::uint8_t padding[64] = {};
  const auto rest = layout_.slotBytes() - layout_.entryBytes;
  if (!writeAll(data_, payload, layout_.entryBytes, start) ||
      !writeAll(data_, padding, rest, start + static_cast<off_t>(layout_.entryBytes)))
    giveUp(".data");
  Record record{key.high, key.low, hash64(payload, layout_.entryBytes), 0};
  record.checksum = recordChecksum(record, position);
  if (!writeAll(index_, &record, sizeof(record), recordOffset(position))) giveUp(".index");
  ++count_;
  return {key, position, record.payload};
}

bool FeatureSegment::read(const SegmentRecord& record, std::uint8_t* to) const {
  const auto offset = static_cast<off_t>(record.position * layout_.slotBytes());
  return readAll(data_, to, layout_.entryBytes, offset) == layout_.entryBytes &&
         hash64(to, layout_.entryBytes) == record.checksum;
}

void FeatureSegment::forget(const SegmentRecord& record) const {
  const int index = ::open((stem_ + ".index").c_str(), O_WRONLY | O_CLOEXEC);
  if (index < 0) return;
  const Record nothing;
  writeAll(index, &nothing, sizeof(nothing), recordOffset(record.position));
  close(index);
}

}  // namespace resnet_torch::data
