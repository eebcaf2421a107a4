// The order of durable effects, on a disk that forgets what was not synced and can die between any two calls.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <set>

#include "io/disk_calls.hpp"

namespace belay::io {
namespace {

// Names reach the disk with the fsync of their directory, content with the fsync of its file; either may also get there
// by itself, so a test looks at every combination. All paths lie in one directory.
class ForgetfulDisk final : public DiskCalls {
 public:
  struct Content {
    std::string written, synced;
  };
  using Names = std::map<std::string, int>;

  int fail_at = -1;    // this call fails with ENOSPC
  int dead_from = -1;  // from this call on nothing happens any more
  bool short_writes = false;
  int calls = 0;
  std::map<int, Content> files;
  Names names, synced_names;

  void put(const std::string& path, const std::string& content) {
    files[next_] = {content, content};
    names[path] = synced_names[path] = next_++;
  }

  // What may be found after a power cut, for one path; "(absent)" where it is not there.
  std::set<std::string> possible(const std::string& path) const {
    std::set<std::string> found;
    for (const auto* table : {&names, &synced_names}) {
      const auto entry = table->find(path);
      if (entry == table->end()) {
        found.insert("(absent)");
        continue;
      }
      const auto& content = files.at(entry->second);
      found.insert(content.written);
      found.insert(content.synced);
      if (content.written != content.synced) found.insert(content.written.substr(0, content.written.size() / 2));
    }
    return found;
  }

  int open(const std::string& path, int flags, mode_t) override {
    if (!alive()) return -1;
    if (flags & O_DIRECTORY) return kDirectory;
    const auto entry = names.find(path);
    if (entry == names.end() && !(flags & O_CREAT)) return errno = ENOENT, -1;
    if (entry != names.end()) return entry->second;
    files[next_] = {};
    names[path] = next_;
    return next_++;
  }
  ssize_t write(int fd, const char* data, std::size_t size) override {
    if (!alive()) return -1;
    const std::size_t count = short_writes && size > 1 ? size / 2 : size;
    files.at(fd).written.append(data, count);
    return static_cast<ssize_t>(count);
  }
  int fchmod(int, mode_t) override { return alive() ? 0 : -1; }
  int fsync(int fd) override {
    if (!alive()) return -1;
    if (fd == kDirectory) synced_names = names;
    else files.at(fd).synced = files.at(fd).written;
    return 0;
  }
  int close(int) override { return alive() ? 0 : -1; }
  int rename(const std::string& from, const std::string& to) override {
    if (!alive()) return -1;
    names[to] = names.at(from);
    names.erase(from);
    return 0;
  }
  int exchange(const std::string& one, const std::string& other) override {
    if (!alive()) return -1;
    std::swap(names.at(one), names.at(other));
    return 0;
  }
  int unlink(const std::string& path) override {
    if (!alive()) return -1;
    if (names.erase(path) == 0) return errno = ENOENT, -1;
    return 0;
  }
  int mkdir(const std::string&, mode_t) override { return alive() ? 0 : -1; }

 private:
  static constexpr int kDirectory = 1'000'000;

  bool alive() {
    const int call = calls++;
    errno = dead_from >= 0 && call >= dead_from ? EIO : ENOSPC;
    return !(dead_from >= 0 && call >= dead_from) && call != fail_at;
  }
  int next_ = 3;
};

constexpr const char* kPath = "/state/run.json";

int calls_of_one_write() {
  ForgetfulDisk disk;
  EXPECT_TRUE(make_files(disk)->write_durable(kPath, "new content", 0600).ok());
  return disk.calls;
}

TEST(DurableWrite, IsOldOrNewAtEveryPowerCut) {
  const std::set<std::string> allowed = {"old content", "new content"};
  for (int call = 0; call <= calls_of_one_write(); ++call) {
    ForgetfulDisk disk;
    disk.put(kPath, "old content");
    disk.dead_from = call;
    const auto written = make_files(disk)->write_durable(kPath, "new content", 0600);
    for (const auto& content : disk.possible(kPath))
      EXPECT_TRUE(allowed.contains(content)) << "cut before call " << call << ": " << content;
    // Success is only said of what no power cut takes back.
    if (written.ok()) EXPECT_EQ(disk.possible(kPath), std::set<std::string>{"new content"}) << call;
  }
}

TEST(DurableWrite, OfANewFileIsWholeOrAbsentAtEveryPowerCut) {
  const std::set<std::string> allowed = {"(absent)", "new content"};
  for (int call = 0; call <= calls_of_one_write(); ++call) {
    ForgetfulDisk disk;
    disk.dead_from = call;
    static_cast<void>(make_files(disk)->write_durable(kPath, "new content", 0600));
    for (const auto& content : disk.possible(kPath))
      EXPECT_TRUE(allowed.contains(content)) << "cut before call " << call << ": " << content;
  }
}

TEST(DurableWrite, AFailureOfAnyCallLeavesTheOldOrSaysSo) {
  for (int call = 0; call < calls_of_one_write(); ++call) {
    ForgetfulDisk disk;
    disk.put(kPath, "old content");
    disk.fail_at = call;
    const auto files = make_files(disk);
    const auto written = files->write_durable(kPath, "new content", 0600);
    if (!written.ok()) EXPECT_EQ(written.error().reason(), "disk-full") << call;
    EXPECT_EQ(disk.names.size(), 1u) << "call " << call << " leaves a temporary file";
    ASSERT_TRUE(files->write_durable(kPath, "third content", 0600).ok()) << call;
    EXPECT_EQ(disk.possible(kPath), std::set<std::string>{"third content"}) << call;
  }
}

TEST(DurableWrite, GoesOnAfterShortWrites) {
  ForgetfulDisk disk;
  disk.short_writes = true;
  ASSERT_TRUE(make_files(disk)->write_durable(kPath, "some longer content", 0600).ok());
  EXPECT_EQ(disk.possible(kPath), std::set<std::string>{"some longer content"});
}

TEST(DurableAppend, KeepsWhatWasThereAtEveryPowerCut) {
  ForgetfulDisk whole;
  whole.put(kPath, "first.");
  ASSERT_TRUE(make_files(whole)->append_durable(kPath, "second.", 0600).ok());
  EXPECT_EQ(whole.possible(kPath), std::set<std::string>{"first.second."});
  for (int call = 0; call <= whole.calls; ++call) {
    ForgetfulDisk disk;
    disk.put(kPath, "first.");
    disk.dead_from = call;
    const auto appended = make_files(disk)->append_durable(kPath, "second.", 0600);
    for (const auto& content : disk.possible(kPath))
      EXPECT_TRUE(content.starts_with("first.")) << call << ": " << content;
    if (appended.ok()) EXPECT_EQ(disk.possible(kPath), std::set<std::string>{"first.second."}) << call;
  }
}

TEST(DurableRename, AndRemoveAreTrueWhenTheySayOk) {
  ForgetfulDisk disk;
  disk.put("/state/a", "a");
  disk.put("/state/b", "b");
  const auto files = make_files(disk);
  ASSERT_TRUE(files->rename_durable("/state/a", "/state/b").ok());
  EXPECT_EQ(disk.possible("/state/b"), std::set<std::string>{"a"});
  ASSERT_TRUE(files->remove("/state/b").ok());
  EXPECT_EQ(disk.possible("/state/b"), std::set<std::string>{"(absent)"});
}

}  // namespace
}  // namespace belay::io
