#include "io/files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "tests/fakes/memory_files.hpp"

namespace belay::io {
namespace {

using testing::ElementsAre;

// One contract, two disks: the real one and the fake that other rooms test with.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual Files& files() = 0;
  virtual std::string root() const = 0;
  virtual void link(const std::string& target, const std::string& path) = 0;
};

class RealDisk final : public Disk {
 public:
  RealDisk() {
    char name[] = "/tmp/belay-files-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~RealDisk() override { EXPECT_TRUE(files().remove_tree(root_).ok()); }
  Files& files() override { return real_files(); }
  std::string root() const override { return root_; }
  void link(const std::string& target, const std::string& path) override {
    EXPECT_EQ(::symlink(target.c_str(), path.c_str()), 0);
  }

 private:
  std::string root_;
};

class FakeDisk final : public Disk {
 public:
  FakeDisk() { EXPECT_TRUE(files_.make_directories(root(), 0755).ok()); }
  Files& files() override { return files_; }
  std::string root() const override { return "/tmp/fake"; }
  void link(const std::string& target, const std::string& path) override { files_.put_link(path, target); }

 private:
  fakes::MemoryFiles files_;
};

struct DiskMaker {
  const char* name;
  std::unique_ptr<Disk> (*make)();
};

class FilesContract : public testing::TestWithParam<DiskMaker> {
 protected:
  std::string at(const std::string& name) const { return root_ + "/" + name; }

  std::unique_ptr<Disk> disk_ = GetParam().make();
  Files& files_ = disk_->files();
  std::string root_ = disk_->root();
};

INSTANTIATE_TEST_SUITE_P(
    Disks, FilesContract,
    testing::Values(DiskMaker{"real", [] { return std::unique_ptr<Disk>(std::make_unique<RealDisk>()); }},
                    DiskMaker{"fake", [] { return std::unique_ptr<Disk>(std::make_unique<FakeDisk>()); }}),
    [](const auto& information) { return information.param.name; });

class RealFiles : public testing::Test {
 protected:
  std::string at(const std::string& name) const { return disk_.root() + "/" + name; }
  RealDisk disk_;
  Files& files_ = disk_.files();
};

TEST_P(FilesContract, WritesReplacesAndReads) {
  ::umask(077);  // the mode asked for is the mode given
  ASSERT_TRUE(files_.write_durable(at("a"), "one", 0644).ok());
  ASSERT_TRUE(files_.write_durable(at("a"), "two", 0640).ok());
  EXPECT_EQ(*files_.read(at("a"), 100), "two");
  EXPECT_EQ(files_.info(at("a"))->mode, 0640u);
  EXPECT_EQ(files_.info(at("a"))->bytes, 3u);
  EXPECT_THAT(*files_.list(root_), ElementsAre("a"));
}

TEST_P(FilesContract, MakesDirectoriesWithTheModeAskedFor) {
  ::umask(077);
  ASSERT_TRUE(files_.make_directories(at("one/two"), 0711).ok());
  EXPECT_EQ(files_.info(at("one"))->mode, 0711u);
  EXPECT_EQ(files_.info(at("one/two"))->mode, 0711u);
  ASSERT_TRUE(files_.make_directories(at("one/two"), 0700).ok());
  EXPECT_EQ(files_.info(at("one/two"))->mode, 0711u) << "what is there stays as it is";
}

TEST_P(FilesContract, AppendsAndCreates) {
  ASSERT_TRUE(files_.append_durable(at("log"), "one\n", 0600).ok());
  ASSERT_TRUE(files_.append_durable(at("log"), "two\n", 0644).ok());
  EXPECT_EQ(*files_.read(at("log"), 100), "one\ntwo\n");
  EXPECT_EQ(files_.info(at("log"))->mode, 0600u);
}

TEST_P(FilesContract, ReadIsBounded) {
  ASSERT_TRUE(files_.write_durable(at("a"), std::string(200'000, 'x'), 0600).ok());
  EXPECT_EQ(files_.read(at("a"), 200'000)->size(), 200'000u);
  EXPECT_EQ(files_.read(at("a"), 199'999).error().code(), Code::resource_exhausted);
  EXPECT_EQ(files_.read(at("a"), 0).error().code(), Code::resource_exhausted);
  ASSERT_TRUE(files_.write_durable(at("empty"), "", 0600).ok());
  EXPECT_EQ(*files_.read(at("empty"), 0), "");
}

TEST_F(RealFiles, ReadsWhatTheKernelMakesUp) {
  EXPECT_TRUE(files_.read("/proc/self/status", 1 << 20)->starts_with("Name:"));
  EXPECT_FALSE(files_.read("/proc/meminfo", 1 << 20)->empty());
}

TEST_P(FilesContract, ErrorsNameThePathAndTheCode) {
  const auto missing = files_.read(at("none"), 10);
  EXPECT_EQ(missing.error().code(), Code::not_found);
  EXPECT_THAT(missing.error().message(), testing::HasSubstr(at("none")));
  EXPECT_EQ(files_.list(at("none")).error().code(), Code::not_found);
  EXPECT_EQ(files_.info(at("none")).error().code(), Code::not_found);
  EXPECT_EQ(files_.read(root_, 10).error().code(), Code::invalid_argument);
  EXPECT_EQ(files_.write_durable(at("no/folder"), "x", 0600).error().code(), Code::not_found);
}

TEST_P(FilesContract, RemovesWithoutFollowingLinks) {
  ASSERT_TRUE(files_.make_directories(at("keep"), 0755).ok());
  ASSERT_TRUE(files_.write_durable(at("keep/file"), "x", 0600).ok());
  ASSERT_TRUE(files_.make_directories(at("tree/a/b/c"), 0755).ok());
  ASSERT_TRUE(files_.write_durable(at("tree/a/file"), "x", 0600).ok());
  disk_->link(at("keep"), at("tree/a/link"));
  ASSERT_TRUE(files_.remove_tree(at("tree")).ok());
  ASSERT_TRUE(files_.remove_tree(at("tree")).ok());  // absent is fine
  EXPECT_THAT(*files_.list(root_), ElementsAre("keep"));
  EXPECT_THAT(*files_.list(at("keep")), ElementsAre("file"));
  disk_->link(at("keep"), at("link"));
  EXPECT_EQ(*files_.read_link(at("link")), at("keep"));
  EXPECT_EQ(files_.info(at("link"))->kind, FileInfo::Kind::symlink);
  ASSERT_TRUE(files_.remove_tree(at("link")).ok());
  EXPECT_THAT(*files_.list(at("keep")), ElementsAre("file"));
  EXPECT_TRUE(files_.remove(at("none")).ok());
}

TEST_P(FilesContract, MakesDirectoriesTwice) {
  EXPECT_TRUE(files_.make_directories(at("x/y/z"), 0700).ok());
  EXPECT_TRUE(files_.make_directories(at("x/y/z"), 0700).ok());
  EXPECT_EQ(files_.info(at("x/y/z"))->kind, FileInfo::Kind::directory);
  ASSERT_TRUE(files_.write_durable(at("file"), "", 0600).ok());
  EXPECT_EQ(files_.make_directories(at("file"), 0700).error().code(), Code::already_exists);
}

TEST_P(FilesContract, RenamesOverTheOld) {
  ASSERT_TRUE(files_.write_durable(at("a"), "new", 0600).ok());
  ASSERT_TRUE(files_.write_durable(at("b"), "old", 0600).ok());
  ASSERT_TRUE(files_.rename_durable(at("a"), at("b")).ok());
  EXPECT_EQ(*files_.read(at("b"), 10), "new");
  EXPECT_EQ(files_.rename_durable(at("a"), at("b")).error().code(), Code::not_found);
}

TEST_P(FilesContract, ExchangesAFolderForAnother) {
  for (const char* folder : {"new", "old"}) {
    ASSERT_TRUE(files_.make_directories(at(folder), 0700).ok());
    ASSERT_TRUE(files_.write_durable(at(std::string(folder) + "/file"), folder, 0600).ok());
  }
  ASSERT_TRUE(files_.exchange_durable(at("new"), at("old")).ok());
  EXPECT_EQ(*files_.read(at("new/file"), 10), "old");
  EXPECT_EQ(*files_.read(at("old/file"), 10), "new");
  EXPECT_EQ(files_.exchange_durable(at("new"), at("none")).error().code(), Code::not_found);
  EXPECT_EQ(*files_.read(at("new/file"), 10), "old");
}

TEST_P(FilesContract, KnowsTheSpaceLeft) {
  const auto space = files_.space(root_);
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->bytes_total, 0u);
  EXPECT_LE(space->bytes_free, space->bytes_total);
}

TEST_F(RealFiles, MapsFiles) {
  ASSERT_TRUE(files_.write_durable(at("a"), "mapped", 0600).ok());
  ASSERT_TRUE(files_.write_durable(at("empty"), "", 0600).ok());
  auto mapped = MappedFile::open(at("a"));
  ASSERT_TRUE(mapped.ok());
  const MappedFile moved = std::move(*mapped);
  EXPECT_EQ(moved.text(), "mapped");
  EXPECT_EQ(MappedFile::open(at("empty"))->text(), "");
  EXPECT_EQ(MappedFile::open(at("none")).error().code(), Code::not_found);
  EXPECT_EQ(MappedFile::open("/dev/zero").error().code(), Code::invalid_argument);
}

TEST_F(RealFiles, LockIsHeldByOne) {
  {
    const auto first = FileLock::acquire(at("lock"));
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(FileLock::acquire(at("lock")).error().reason(), "lock-held");
  }
  EXPECT_TRUE(FileLock::acquire(at("lock")).ok());
}

}  // namespace
}  // namespace belay::io
