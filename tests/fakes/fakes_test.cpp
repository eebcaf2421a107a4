#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::fakes {
namespace {

using testing::ElementsAre;

TEST(ManualClock, MovesByHandOnly) {
  ManualClock clock;
  EXPECT_EQ(to_iso8601(clock.now()), "2026-11-23T12:00:00Z");
  clock.advance(Duration(1'500));
  EXPECT_EQ(clock.monotonic(), Duration(1'500));
  clock.set_wall(from_unix_ms(0));
  EXPECT_EQ(clock.monotonic(), Duration(1'500));
}

TEST(MemoryFiles, KillsBeforeAfterAndInTheMiddle) {
  struct Row {
    MemoryFiles::Kill kind;
    const char* written;
    const char* appended;
  };
  for (const Row& row :
       {Row{MemoryFiles::Kill::before, "old", "one."}, Row{MemoryFiles::Kill::after, "new", "one.two."},
        Row{MemoryFiles::Kill::torn, "old", "one.tw"}}) {
    MemoryFiles disk;
    disk.put("/d/a", "old");
    disk.put("/d/log", "one.");
    disk.kill_at(1, row.kind);
    EXPECT_THROW(static_cast<void>(disk.write_durable("/d/a", "new", 0600)), Killed);
    EXPECT_THROW(static_cast<void>(disk.write_durable("/d/b", "never", 0600)), Killed);  // the dead do nothing more
    disk.power_cut();
    EXPECT_EQ(*disk.read("/d/a", 10), row.written);
    EXPECT_FALSE(disk.read("/d/b", 10).ok());
    disk.kill_at(1, row.kind);
    EXPECT_THROW(static_cast<void>(disk.append_durable("/d/log", "two.", 0600)), Killed);
    disk.restart();
    EXPECT_EQ(*disk.read("/d/log", 10), row.appended);
  }
}

TEST(MemoryFiles, FailsOnceAndWhenFull) {
  MemoryFiles disk;
  disk.fail_at(2);
  EXPECT_TRUE(disk.write_durable("/a", "1", 0600).ok());
  EXPECT_EQ(disk.write_durable("/a", "2", 0600).error().reason(), "disk-error");
  EXPECT_EQ(*disk.read("/a", 10), "1");
  EXPECT_TRUE(disk.write_durable("/a", "3", 0600).ok());
  disk.set_bytes_free(4);
  EXPECT_TRUE(disk.append_durable("/a", "123", 0600).ok());
  EXPECT_EQ(disk.append_durable("/a", "45", 0600).error().reason(), "disk-full");
  EXPECT_EQ(disk.space("/")->bytes_free, 1u);
  EXPECT_EQ(disk.change_count(), 5);
}

TEST(MemoryFiles, PowerCutDropsWhatWasNotSynced) {
  MemoryFiles disk;
  disk.put("/d/kept", "x");
  disk.put_unsynced("/d/lost", "x");
  ASSERT_TRUE(disk.remove_tree("/nothing").ok());
  disk.power_cut();
  EXPECT_THAT(*disk.list("/d"), ElementsAre("kept"));
}

io::ProcessSpec command(std::vector<std::string> argv) {
  io::ProcessSpec spec;
  spec.argv = std::move(argv);
  return spec;
}

TEST(ScriptedProcesses, FollowsItsTable) {
  ScriptedProcesses processes;
  processes.on("dpkg *", prints("any"));
  processes.on("dpkg --print-architecture", prints("amd64\n"));
  processes.on("apt-get *", in_turn({fails(100, "locked"), prints("done")}));
  EXPECT_EQ(processes.run(command({"dpkg", "--print-architecture"}))->standard_output, "amd64\n");
  EXPECT_EQ(processes.run(command({"dpkg", "-l"}))->standard_output, "any");
  EXPECT_EQ(processes.run(command({"apt-get", "update"}))->exit_status, 100);
  std::string seen;
  EXPECT_TRUE(
      processes.run(command({"apt-get", "update"}), [&](int, std::string_view text) { seen += text; })->success());
  EXPECT_EQ(seen, "done");
  EXPECT_EQ(processes.run(command({"rpm", "-qa"})).error().code(), Code::not_found);
  EXPECT_EQ(processes.count("apt-get *"), 2);
  EXPECT_THAT(processes.command_lines(), testing::SizeIs(5));
  processes.on("reboot", kills_us());
  EXPECT_THROW(static_cast<void>(processes.run(command({"reboot"}))), Killed);
}

}  // namespace
}  // namespace belay::fakes
