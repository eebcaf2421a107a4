// Restores of files over what is there: nothing is put aside for what will not come back, and what was put aside comes
// back when the rest does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/backup/files_engine.hpp"
#include "agent/backup/restore_note.hpp"
#include "base/text.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::backups {
namespace {

using backup::JobOutcome;
using fakes::Killed;
using fakes::MemoryFiles;
using testing::HasSubstr;

// A point that holds some files; restoring it writes them, or a part of them.
class OnePoint final : public FileStore {
 public:
  explicit OnePoint(MemoryFiles& files) : files_(files) {}
  std::map<std::string, std::string> holds;
  std::optional<Error> fails;  // after the first file

  Status open(bool) override { return {}; }
  Result<Stored> store(const StoreWhat&) override { return Error(Code::unsupported, "not here"); }
  Result<std::vector<Stored>> snapshots() override { return std::vector<Stored>(); }
  Status check(bool) override { return {}; }
  Status forget(const std::vector<std::string>&) override { return {}; }
  Status compact() override { return {}; }
  Result<std::uint64_t> bytes() override { return 0; }
  Result<std::string> version() override { return std::string("1"); }
  const VaultAccess& access() const override { std::abort(); }
  Status each_file(const std::string&, const std::function<void(const ListedFile&)>& each) override {
    for (const auto& [path, content] : holds) each({ListedFile::Kind::file, path, content.size(), ""});
    return {};
  }
  Result<std::pair<std::uint64_t, std::uint64_t>> restore(const std::string&, const std::string& target,
                                                          const std::vector<std::string>& include) override {
    std::pair<std::uint64_t, std::uint64_t> came{0, 0};
    for (const auto& [path, content] : holds) {
      bool wanted = include.empty();
      for (const auto& one : include) wanted = wanted || path == one || path.starts_with(one + "/");
      if (!wanted) continue;
      if (fails && came.second > 0) return *fails;
      files_.put((target == "/" ? "" : target) + path, content);
      came.first += content.size();
      ++came.second;
    }
    if (fails) return *fails;
    return came;
  }

 private:
  MemoryFiles& files_;
};

class FilesRestore : public testing::Test {
 protected:
  FilesRestore() {
    job_.job_id = "bj-1";
    job_.plan_id = "bp-1";
    job_.points.resize(1);
    job_.restore.emplace();
    job_.restore->path = "/srv";
    job_.restore->over = true;
    job_.restore->paths = {"/a", "/b"};
    store_.holds = {{"/a", "old a"}, {"/b", "old b"}, {"/d/x", "old x"}};
    fill();
  }
  void fill() {
    for (const auto& [path, content] : live_) files_.put(path, content);
    EXPECT_TRUE(files_.make_directories("/state", 0700).ok());
  }
  backup::JobReport run() { return restore_files(host_, job_, store_, {}); }

  std::map<std::string, std::string> live_{
      {"/srv/a", "new a"}, {"/srv/b", "new b"}, {"/srv/d/x", "new x"}, {"/srv/newer", "only here"}};
  MemoryFiles files_;
  fakes::ScriptedProcesses processes_;
  fakes::ManualClock clock_;
  BackupHost host_{.files = files_,
                   .processes = processes_,
                   .clock = clock_,
                   .work_directory = "/work",
                   .state_directory = "/state"};
  OnePoint store_{files_};
  backup::Job job_;
};

TEST_F(FilesRestore, WhatIsThereIsPutAside) {
  job_.restore->paths = {"/b", "/d/", "/d/x"};  // the same twice, one of them by its directory
  const auto report = run();
  EXPECT_EQ(report.outcome, JobOutcome::ok) << report.why;
  auto now = live_;
  now["/srv/b"] = "old b";
  now["/srv/b.belay-before-bj-1"] = "new b";
  now["/srv/d/x"] = "old x";
  now["/srv/d.belay-before-bj-1/x"] = "new x";
  EXPECT_EQ(files_.content(), now);  // the note is gone, too
}

TEST_F(FilesRestore, PathsThatLeadOutAreRefused) {
  const auto before = files_.change_count();
  for (const char* path : {"a", "", "/", "//", "/../etc", "/a/../b", "/./a", "/a/..", "../a", "/a/."}) {
    job_.restore->paths = {"/a", path};
    const auto report = run();
    EXPECT_EQ(report.outcome, JobOutcome::failed) << path;
    EXPECT_EQ(report.problems.at(0).subject, "path-refused") << path;
  }
  job_.restore->paths = {"/a"};
  for (const char* path : {"", "srv", "/srv/../etc", "/srv/."}) {
    job_.restore->path = path;
    EXPECT_EQ(run().problems.at(0).subject, "path-refused") << path;
  }
  EXPECT_EQ(files_.change_count(), before);
}

TEST_F(FilesRestore, WhatTheSystemLivesInIsNotPutAside) {
  const auto before = files_.change_count();
  job_.restore->paths = {};
  for (const char* path : {"/etc", "/usr", "/var", "/boot", "/"}) {
    job_.restore->path = path;
    const auto report = run();
    EXPECT_EQ(report.problems.at(0).subject, "target-in-use") << path;
    EXPECT_THAT(report.why, HasSubstr("name ")) << path;
  }
  EXPECT_EQ(files_.change_count(), before);
}

TEST_F(FilesRestore, WhatIsNotInThePointStaysWhereItIs) {
  const auto before = files_.change_count();
  job_.restore->paths = {"/b", "/newer"};
  const auto report = run();
  EXPECT_EQ(report.outcome, JobOutcome::failed);
  EXPECT_EQ(report.problems.at(0).subject, "not-in-point");
  EXPECT_THAT(report.why, HasSubstr("/newer is not in the recovery point"));
  EXPECT_EQ(files_.change_count(), before);
  EXPECT_EQ(files_.content(), live_);
}

TEST_F(FilesRestore, WhatWasPutAsideComesBackWhenTheRestDoesNot) {
  store_.fails = Error(Code::corrupt, "a pack is damaged", "repository-damaged");
  const auto report = run();
  EXPECT_EQ(report.outcome, JobOutcome::failed);
  EXPECT_THAT(report.why, HasSubstr("a pack is damaged"));
  auto now = live_;
  now["/srv/a.belay-failed-bj-1"] = "old a";  // what had come by then
  EXPECT_EQ(files_.content(), now);
  ASSERT_EQ(report.evidence.size(), 2u);
  EXPECT_EQ(report.evidence[0].what, "put back");
  EXPECT_THAT(report.evidence[1].seen, HasSubstr("/srv/a.belay-failed-bj-1"));
}

TEST_F(FilesRestore, ARenameThatFailsUndoesThoseBefore) {
  files_.fail_at(3 + 1);  // a directory above, the note, the first one
  const auto report = run();
  EXPECT_EQ(report.outcome, JobOutcome::failed);
  EXPECT_THAT(report.why, HasSubstr("/srv/b cannot be put aside"));
  EXPECT_EQ(files_.content(), live_);
}

TEST_F(FilesRestore, KilledAnywhereItSaysWhatLiesWhere) {
  for (const auto kind : {MemoryFiles::Kill::before, MemoryFiles::Kill::after}) {
    bool killed = true;
    for (int change = 1; killed; ++change) {
      SCOPED_TRACE(change);
      for (const char* path : {"/srv", "/state"}) ASSERT_TRUE(files_.remove_tree(path).ok());
      fill();
      files_.kill_at(change, kind);
      killed = false;
      try {
        EXPECT_EQ(run().outcome, JobOutcome::ok);
      } catch (const Killed&) {
        killed = true;
      }
      files_.restart();
      const auto told = join(read_restore_note(host_, job_).said, "; ");
      for (const std::string path : {"/srv/a", "/srv/b"}) {
        const auto aside = files_.read(path + ".belay-before-bj-1", 100);
        const auto here = files_.read(path, 100);
        EXPECT_TRUE((aside.ok() && *aside == live_[path]) || (here.ok() && *here == live_[path]));
        if (aside.ok() && !here.ok()) EXPECT_THAT(told, HasSubstr(path + " is put aside as " + path + ".belay-before"));
      }
      EXPECT_EQ(*files_.read("/srv/newer", 100), "only here");
    }
  }
}

}  // namespace
}  // namespace belay::agent::backups
