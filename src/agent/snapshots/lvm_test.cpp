// What LVM is asked and how it is understood where something is wrong; the rest is in tests/contract.
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/snapshots/providers.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

using fakes::prints;

struct Row {
  std::string name, attr;
  std::string pool{}, origin{}, data{}, metadata{}, tags{};
  int minor = 7;
  std::string free{"10737418240"};
};

std::string report(const std::vector<Row>& rows) {
  json::Array volumes;
  for (const auto& row : rows)
    volumes.push_back({{"vg_name", "vg"},
                       {"lv_name", row.name},
                       {"lv_attr", row.attr},
                       {"lv_size", "10737418240"},
                       {"pool_lv", row.pool},
                       {"origin", row.origin},
                       {"data_percent", row.data},
                       {"metadata_percent", row.metadata},
                       {"lv_tags", row.tags},
                       {"lv_time", "1795000000"},
                       {"lv_kernel_major", "253"},
                       {"lv_kernel_minor", std::to_string(row.minor)},
                       {"vg_free", row.free}});
  return R"({"report":[{"lv":)" + json::to_text(volumes) + "}]}";
}

struct Machine {
  explicit Machine(const std::vector<Row>& rows) {
    files.put("/proc/self/mountinfo",
              "27 1 253:0 / / rw - xfs /dev/mapper/vg-root rw\n28 27 254:1 / /boot rw - ext4 /dev/vda1 rw\n");
    processes.on("lvs *", prints(report(rows)));
    SnapshotHost host{files, processes, clock};
    host.carry_over = {"/var/lib/belay-agent"};
    provider = make_lvm(host, 20);
  }
  std::string why(const std::string& mount = "/") {
    const auto coverage = provider->covers({mount});
    EXPECT_TRUE(coverage.ok()) << coverage.error().chain();
    return coverage.ok() ? coverage->why : "";
  }
  Status verify() { return provider->verify({"belay-1", "lvm", {}, {"/"}}); }
  fakes::MemoryFiles files;
  fakes::ScriptedProcesses processes;
  fakes::ManualClock clock;
  std::unique_ptr<SnapshotProvider> provider;
};

Row classic_root() { return {.name = "root", .attr = "-wi-ao----", .minor = 0}; }
Row thin_root() { return {.name = "root", .attr = "Vwi-aotz--", .pool = "pool", .data = "50.00", .minor = 0}; }
Row pool(const std::string& data, const std::string& metadata, const std::string& attr = "twi-aotz--") {
  return {.name = "pool", .attr = attr, .data = data, .metadata = metadata};
}
const std::string kTags = "belay:mount=/,belay:tag=belay-1";
Row snapshot(const std::string& attr, const std::string& data = "5.00") {
  return {.name = "belay-1.root", .attr = attr, .origin = "root", .data = data, .tags = kTags};
}
Row thin_snapshot() {
  return {.name = "belay-1.root", .attr = "Vwi---tz-k", .pool = "pool", .origin = "root", .tags = kTags};
}

TEST(LvmCoverage, NeedsRoomInTheGroupOrThePool) {
  EXPECT_EQ(Machine({classic_root()}).why(), "");
  auto full = classic_root();
  full.free = "1073741824";
  EXPECT_NE(Machine({full}).why().find("needs 2048 MiB"), std::string::npos) << Machine({full}).why();
  EXPECT_EQ(Machine({thin_root(), pool("80.00", "20.00")}).why(), "");
  EXPECT_NE(Machine({thin_root(), pool("95.00", "20.00")}).why().find("data 95 %"), std::string::npos);
  EXPECT_NE(Machine({thin_root(), pool("20.00", "95.00")}).why().find("metadata 95 %"), std::string::npos);
  EXPECT_NE(Machine({thin_root(), pool("20.00", "20.00", "twi-cotzM-")}).why().find("too full"), std::string::npos);
  EXPECT_NE(Machine({thin_root()}).why().find("pool"), std::string::npos);
  EXPECT_NE(Machine({classic_root()}).why("/boot").find("/dev/vda1, which is no logical volume"), std::string::npos);
  auto merging = classic_root();
  merging.attr = "Owi-aos---";
  EXPECT_NE(Machine({merging}).why().find("restart first"), std::string::npos);
}

TEST(LvmCoverage, AMachineWithoutLvmHasNone) {
  Machine machine({});
  machine.processes.on("lvs *", fakes::is_missing());
  EXPECT_NE(machine.why().find("no logical volume"), std::string::npos);
  EXPECT_TRUE(machine.provider->list()->empty());
}

TEST(LvmVerify, FindsWhatCannotBeReliedOn) {
  EXPECT_TRUE(Machine({classic_root(), snapshot("swi-a-s---")}).verify().ok());
  EXPECT_EQ(Machine({classic_root(), snapshot("swi-I-s---", "100.00")}).verify().error().code(), Code::corrupt);
  EXPECT_EQ(Machine({classic_root(), snapshot("swi-a-s---", "100.00")}).verify().error().code(), Code::corrupt);
  EXPECT_EQ(Machine({classic_root(), snapshot("Swi-m-s---")}).verify().error().code(), Code::corrupt);
  EXPECT_EQ(Machine({classic_root()}).verify().error().code(), Code::not_found);
  EXPECT_TRUE(Machine({thin_root(), thin_snapshot(), pool("90.00", "90.00")}).verify().ok());
  EXPECT_EQ(Machine({thin_root(), thin_snapshot(), pool("100.00", "20.00")}).verify().error().code(), Code::corrupt);
  EXPECT_EQ(Machine({thin_root(), thin_snapshot(), pool("20.00", "99.00")}).verify().error().code(), Code::corrupt);
}

TEST(Lvm, AnOverflowedSnapshotIsNotMerged) {
  Machine machine({classic_root(), snapshot("swi-I-s---", "100.00")});
  EXPECT_EQ(machine.provider->restore({"belay-1", "lvm", {}, {"/"}}).error().code(), Code::corrupt);
  EXPECT_EQ(machine.processes.count("lvconvert *"), 0);
}

TEST(Lvm, TakesAndMergesWithTheseCommands) {
  Machine machine({classic_root()});
  machine.processes.on("lvcreate *", [&](const io::ProcessSpec&, const io::OutputSink&) {
    machine.processes.on("lvs *", prints(report({classic_root(), snapshot("swi-a-s---")})));
    return fakes::exits(0);
  });
  ASSERT_TRUE(machine.provider->create("belay-1", {"/"}).ok());
  EXPECT_EQ(machine.processes.count(
                "lvcreate --yes --snapshot --name belay-1.root --addtag belay:tag=belay-1 --addtag belay:mount=/ "
                "--size 2147483648b vg/root"),
            1);
  machine.files.put("/var/lib/belay-agent/counter.json", "7");
  for (const char* tool : {"mount *", "umount *", "cp *", "sync *", "lvchange *", "lvconvert *"})
    machine.processes.on(tool, prints(""));
  const auto restored = machine.provider->restore({"belay-1", "lvm", {}, {"/"}});
  ASSERT_TRUE(restored.ok()) << restored.error().chain();
  EXPECT_TRUE(restored->needs_reboot);
  const auto lines = machine.processes.command_lines();
  const auto at = [&](std::string_view pattern) {
    return std::ranges::find_if(lines, [&](const auto& line) { return glob_match(pattern, line); }) - lines.begin();
  };
  const auto mounted = at("mount -t xfs -o nouuid /dev/vg/belay-1.root /run/belay-agent/mount-*");
  const auto copied = at("cp --archive * -- /var/lib/belay-agent /run/belay-agent/mount-*/var/lib/belay-agent");
  const auto unmounted = at("umount /run/belay-agent/mount-*"),
             marked = at("lvchange --yes --addtag belay:tag=belay-1 vg/root");
  const auto merged = at("lvconvert --yes --merge vg/belay-1.root");
  EXPECT_LT(mounted, copied);
  EXPECT_LT(copied, unmounted);
  EXPECT_LT(unmounted, marked) << "a volume that is mounted would not be merged";
  EXPECT_LT(marked, merged);
  EXPECT_LT(merged, std::ssize(lines));
}

TEST(Lvm, AMergeThatWaitsIsNotTakenAwayFromUnderTheReboot) {
  auto origin = classic_root();
  origin.attr = "Owi-aos---";
  Machine machine({origin, snapshot("Swi-a-s---")});
  EXPECT_EQ(machine.provider->remove({"belay-1", "lvm", {}, {"/"}}).error().code(), Code::conflict);
  const auto again = machine.provider->restore({"belay-1", "lvm", {}, {"/"}});
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->needs_reboot);
  EXPECT_EQ(machine.processes.count("lvconvert *"), 0);
}

}  // namespace
}  // namespace belay::agent
