// ZFS where something is in the way, and the order of what a rollback does; the rest is in tests/contract.
#include <gtest/gtest.h>

#include "agent/snapshots/providers.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

using fakes::prints;

const std::string kOurs =
    "rpool/ROOT@belay-1\t1795000000\t10\t%2F,%2Fhome\nrpool/home@belay-1\t1795000000\t10\t%2F,%2Fhome\n";

struct Machine {
  explicit Machine(const std::string& snapshots) {
    files.put("/proc/self/mountinfo",
              "27 1 0:31 / / rw - zfs rpool/ROOT rw\n28 27 0:32 / /home rw - zfs rpool/home rw\n"
              "29 27 0:33 / /srv rw - zfs tank/srv rw\n");
    processes.on("zfs list -H -p -t snapshot *", prints(snapshots));
    processes.on("zfs list -H -p -o name,available *", prints("rpool/ROOT\t1073741824\n"));
    for (const char* tool : {"zfs snapshot *", "zfs rollback *", "cp *"}) processes.on(tool, prints(""));
    SnapshotHost host{files, processes, clock};
    host.carry_over = {"/var/lib/belay-agent"};
    provider = make_zfs(host);
  }
  Result<Restored> restore() { return provider->restore({"belay-1", "zfs", {}, {"/", "/home"}}); }
  fakes::MemoryFiles files;
  fakes::ScriptedProcesses processes;
  fakes::ManualClock clock;
  std::unique_ptr<SnapshotProvider> provider;
};

TEST(Zfs, NothingNewerIsLost) {
  Machine machine(kOurs + "rpool/home@nightly\t1795000099\t11\t-\n");
  const auto restored = machine.restore();
  ASSERT_FALSE(restored.ok());
  EXPECT_EQ(restored.error().code(), Code::conflict);
  EXPECT_NE(restored.error().message().find("rpool/home@nightly"), std::string::npos);
  EXPECT_EQ(machine.processes.count("zfs rollback *"), 0) << "not even of the dataset that has nothing newer";
}

TEST(Zfs, GoesBackWithoutForceAndPutsTheAgentsStateBack) {
  Machine machine(kOurs + "rpool/home@older\t1700000000\t9\t-\n");
  machine.files.put("/var/lib/belay-agent/counter.json", "7");
  const auto restored = machine.restore();
  ASSERT_TRUE(restored.ok()) << restored.error().chain();
  EXPECT_TRUE(restored->needs_reboot);
  const std::string aside = "/run/belay-agent/aside-rpool%2FROOT", state = "%2Fvar%2Flib%2Fbelay-agent";
  std::vector<std::string> lines;
  for (const auto& line : machine.processes.command_lines())
    if (!line.starts_with("zfs list")) lines.push_back(line);
  const std::string cp = "cp --archive --one-file-system --reflink=auto -- ";
  EXPECT_EQ(lines, (std::vector<std::string>{
                       cp + "/var/lib/belay-agent " + aside + "-new/" + state, "zfs rollback rpool/ROOT@belay-1",
                       cp + aside + "/" + state + " /var/lib/belay-agent", "zfs rollback rpool/home@belay-1"}));
}

TEST(Zfs, ARollbackThatFailsLeavesNoOldStateAside) {
  Machine machine(kOurs);
  machine.files.put("/var/lib/belay-agent/counter.json", "7");
  machine.processes.on("zfs rollback *", fakes::fails(1, "cannot rollback: dataset is busy"));
  EXPECT_FALSE(machine.restore().ok());
  EXPECT_EQ(machine.files.info("/run/belay-agent/aside-rpool%2FROOT").error().code(), Code::not_found);
}

TEST(Zfs, DatasetsOfOnePoolAreTakenAtOneMoment) {
  Machine machine("");
  machine.processes.on("zfs snapshot *", [&](const io::ProcessSpec&, const io::OutputSink&) {
    machine.processes.on("zfs list -H -p -t snapshot *", prints(kOurs + "tank/srv@belay-1\t1795000001\t3\t%2Fsrv\n"));
    return fakes::exits(0);
  });
  const auto taken = machine.provider->create("belay-1", {"/", "/home", "/srv", "/var"});
  ASSERT_TRUE(taken.ok()) << taken.error().chain();
  EXPECT_EQ(machine.processes.count("zfs snapshot -o belay:mounts=%2F,%2Fhome rpool/ROOT@belay-1 rpool/home@belay-1"),
            1);
  EXPECT_EQ(machine.processes.count("zfs snapshot -o belay:mounts=%2Fsrv tank/srv@belay-1"), 1);
  EXPECT_EQ(taken->mounts, (std::vector<std::string>{"/", "/home", "/srv"}));
}

TEST(Zfs, AMountWhoseDatasetLostItsSnapshotIsFound) {
  Machine machine("rpool/ROOT@belay-1\t1795000000\t10\t%2F,%2Fhome\n");
  EXPECT_EQ(machine.provider->verify({"belay-1", "zfs", {}, {"/", "/home"}}).error().code(), Code::not_found);
  EXPECT_TRUE(machine.provider->verify({"belay-1", "zfs", {}, {"/"}}).ok());
}

}  // namespace
}  // namespace belay::agent
