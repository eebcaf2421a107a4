// What takes the place of a data directory, killed or failing at each of its steps: what was live lies in its place or
// under the name that is told, whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/backup/mariadb_restore.hpp"
#include "agent/backup/restore_note.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::backups::mariadb {
namespace {

using fakes::Killed;
using fakes::MemoryFiles;
using testing::HasSubstr;

// Where the file system may know no exchange: an overlay.
class NoExchange final : public io::Files {
 public:
  explicit NoExchange(MemoryFiles& inner) : inner_(inner) {}
  Result<std::string> read(const std::string& path, std::size_t most) const override { return inner_.read(path, most); }
  Status write_durable(const std::string& path, std::string_view text, std::uint32_t mode) override {
    return inner_.write_durable(path, text, mode);
  }
  Status append_durable(const std::string& path, std::string_view text, std::uint32_t mode) override {
    return inner_.append_durable(path, text, mode);
  }
  Status rename_durable(const std::string& from, const std::string& to) override {
    return inner_.rename_durable(from, to);
  }
  Status exchange_durable(const std::string& one, const std::string& other) override {
    if (exchanges) return inner_.exchange_durable(one, other);
    return Error(Code::unsupported, "cannot be exchanged", "cross-device");
  }
  Status remove(const std::string& path) override { return inner_.remove(path); }
  Status remove_tree(const std::string& path) override { return inner_.remove_tree(path); }
  Status make_directories(const std::string& path, std::uint32_t mode) override {
    return inner_.make_directories(path, mode);
  }
  Result<std::vector<std::string>> list(const std::string& path) const override { return inner_.list(path); }
  Result<io::FileInfo> info(const std::string& path) const override { return inner_.info(path); }
  Result<std::string> read_link(const std::string& path) const override { return inner_.read_link(path); }
  Result<io::Space> space(const std::string& path) const override { return inner_.space(path); }
  bool exchanges = true;

 private:
  MemoryFiles& inner_;
};

class Place : public testing::Test {
 protected:
  void fill() {
    ASSERT_TRUE(disk_.remove_tree("/srv").ok());
    disk_.put("/srv/db/ibdata1", "live");
    disk_.put("/srv/db.belay-new/0/set/ibdata1", "restored");
  }
  Result<std::string> put() { return put_in_place(host_, job_, "/srv/db.belay-new/0/set", "/srv/db", true, "L"); }
  std::string at(const std::string& directory) {
    const auto text = disk_.read(directory + "/ibdata1", 100);
    return text.ok() ? *text : std::string("nothing");
  }
  MemoryFiles disk_;
  NoExchange files_{disk_};
  fakes::ScriptedProcesses processes_;
  fakes::ManualClock clock_;
  BackupHost host_{.files = files_,
                   .processes = processes_,
                   .clock = clock_,
                   .work_directory = "/work",
                   .state_directory = "/state"};
  backup::Job job_;
};

TEST_F(Place, KilledAtEachStepNothingThatWasLiveIsLost) {
  for (const bool exchanges : {true, false})
    for (const auto kind : {MemoryFiles::Kill::before, MemoryFiles::Kill::after}) {
      files_.exchanges = exchanges;
      bool killed = true;
      for (int change = 1; killed; ++change) {
        SCOPED_TRACE(std::to_string(change) + (exchanges ? " exchanges" : ""));
        fill();
        disk_.kill_at(change, kind);
        killed = false;
        try {
          const auto aside = put();
          EXPECT_TRUE(aside.ok() && *aside == "/srv/db.before-L");
        } catch (const Killed&) {
          killed = true;
        }
        disk_.restart();
        EXPECT_TRUE(at("/srv/db") == "live" || at("/srv/db.before-L") == "live");
        if (exchanges) EXPECT_NE(at("/srv/db"), "nothing");
        if (!killed) EXPECT_EQ(at("/srv/db"), "restored");
        // The next one makes its room, and loses nothing either.
        backup::JobReport report;
        const auto room = make_building_place(host_, job_, "/srv/db", "M", report);
        ASSERT_TRUE(room.ok()) << room.error().chain();
        EXPECT_EQ(*room, "/srv/db.belay-new");
        EXPECT_TRUE(disk_.list(*room)->empty());
        disk_.put(*room + "/0/set/ibdata1", "restored later");
        const auto next = put_in_place(host_, job_, *room + "/0/set", "/srv/db", true, "M");
        ASSERT_TRUE(next.ok()) << next.error().chain();
        EXPECT_EQ(at("/srv/db"), "restored later");
        EXPECT_TRUE(at("/srv/db.before-L") == "live" || at("/srv/db.before-M") == "live");
      }
    }
}

TEST_F(Place, FailingAtEachStepTheTargetIsWhatItWas) {
  for (const bool exchanges : {true, false}) {
    files_.exchanges = exchanges;
    bool failed = true;
    for (int change = 1; failed; ++change) {
      SCOPED_TRACE(std::to_string(change) + (exchanges ? " exchanges" : ""));
      fill();
      const auto begun = disk_.change_count();
      disk_.fail_at(change);
      const auto done = put();
      failed = disk_.change_count() - begun >= change;
      EXPECT_EQ(done.ok(), !failed);
      EXPECT_EQ(at("/srv/db"), failed ? "live" : "restored");
      if (failed) EXPECT_TRUE(at("/srv/db.belay-new/0/set") == "restored" || at("/srv/db.before-L") == "restored");
    }
    disk_.restart();
  }
}

TEST_F(Place, WhatLiesWhereItIsBuiltIsNeverRemoved) {
  fill();
  disk_.put("/srv/db.belay-new/0/set/ibdata1", "live after all");
  backup::JobReport report;
  ASSERT_TRUE(make_building_place(host_, job_, "/srv/db", "L", report).ok());
  EXPECT_EQ(at("/srv/db.left-L/0/set"), "live after all");
  EXPECT_THAT(report.output, HasSubstr("/srv/db.left-L"));
}

TEST_F(Place, ANoteSaysWhatLiesWhere) {
  job_.plan_id = "bp-1";
  disk_.put("/state/x", "");
  EXPECT_TRUE(read_restore_note(host_, job_).said.empty());
  ASSERT_TRUE(write_restore_note(host_, job_, {"mariadb", {"mariadb.socket"}, {"a is b", "c is d"}}).ok());
  const auto note = read_restore_note(host_, job_);
  EXPECT_EQ(note.unit, "mariadb");
  EXPECT_THAT(note.sockets, testing::ElementsAre("mariadb.socket"));
  EXPECT_THAT(note.said, testing::ElementsAre("a is b", "c is d"));
  // For a person, as it stands.
  EXPECT_EQ(*disk_.read("/state/restore-bp-1", 1000),
            "a is b\nc is d\nstopped for it: mariadb\nstopped with it: mariadb.socket");
  ASSERT_TRUE(remove_restore_note(host_, job_).ok());
  EXPECT_TRUE(read_restore_note(host_, job_).said.empty());
}

}  // namespace
}  // namespace belay::agent::backups::mariadb
