#include "agent/inventory/storage.hpp"

#include <gmock/gmock.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "core/fleet/storage.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

using fleet::StorageHealth;
using fleet::StorageState;
using testing::Contains;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

// / on md0 of two partitions, /var on a thin volume, /srv on a NAS, /data on a disk of its own.
class StorageTest : public testing::Test {
 protected:
  StorageTest() {
    disk_.put("/proc/self/mountinfo",
              "1 0 9:0 / / rw - ext4 /dev/md0 rw\n"
              "2 1 253:2 / /var rw - xfs /dev/mapper/vg-var rw\n"
              "3 1 0:50 / /srv rw - nfs4 nas:/export rw\n"
              "4 1 8:33 / /data rw - ext4 /dev/sdc1 rw\n"
              "5 1 9:0 /home /home rw - ext4 /dev/md0 rw\n");
    disk_.put("/proc/mdstat", "md0 : active raid1 sdb1[1] sda1[0]\n      1046528 blocks super 1.2 [2/2] [UU]\n\n");
    disk_.put_link("/sys/dev/block/9:0", "../../devices/virtual/block/md0");
    disk_.put_link("/sys/dev/block/253:2", "../../devices/virtual/block/dm-2");
    disk_.put_link("/sys/dev/block/8:33", "../../devices/pci/block/sdc/sdc1");
    block("md0", {"sda1", "sdb1"});
    block("dm-0", {"sdd1"});
    block("dm-1", {"dm-0"});
    block("dm-2", {"dm-1"});
    disk_.put("/sys/class/block/dm-1/dm/name", "vg-pool-tpool\n");
    disk_.put("/sys/class/block/dm-1/dm/uuid", "LVM-abc-tpool\n");
    disk_.put("/sys/class/block/dm-2/dm/name", "vg-var\n");
    for (const char* name : {"sda", "sdb", "sdc", "sdd"}) {
      disk_.put("/sys/block/" + std::string(name) + "/device/model", "X");
      disk_.put("/sys/block/" + std::string(name) + "/" + name + "1/partition", "1");
      disk_.put("/sys/class/block/" + std::string(name) + "1/partition", "1");
      smart(name, true);
    }
    disk_.put("/sys/fs/ext4/sdc1/errors_count", "0\n");
    pool(40);
  }

  void block(const std::string& name, const std::vector<std::string>& slaves) {
    for (const auto& slave : slaves) disk_.put("/sys/class/block/" + name + "/slaves/" + slave, "");
  }
  void smart(const std::string& name, bool passed) {
    processes_.on("smartctl * /dev/" + name,
                  fakes::prints(std::string(R"({"model_name":"M","smart_status":{"passed":)") +
                                    (passed ? "true" : "false") + "}}",
                                passed ? 0 : 8));
  }
  void pool(int percent) {
    processes_.on("lvs *", fakes::prints(R"({"report":[{"lv":[{"vg_name":"vg","lv_name":"pool","lv_attr":"twi-aotz--",
      "lv_health_status":"","data_percent":")" +
                                         std::to_string(percent) + R"(.00","metadata_percent":"5.00"}]}]})"));
  }
  std::map<std::string, StorageHealth> collect() {
    std::map<std::string, StorageHealth> found;
    StorageSeams seams{disk_, processes_, ""};
    seams.ask = [&](const std::vector<std::string>& paths, Duration) {
      asked_ = paths;
      return std::vector<io::MountAnswer>(paths.size(), nas_);
    };
    for (auto& health : collect_storage(seams)) found[health.what + " " + health.subject] = health;
    return found;
  }

  fakes::MemoryFiles disk_;
  fakes::ScriptedProcesses processes_;
  io::MountAnswer nas_ = io::MountAnswer::answers;
  std::vector<std::string> asked_;
};

TEST_F(StorageTest, EverythingKnowsWhatLiesOnIt) {
  auto found = collect();
  EXPECT_THAT(asked_, ElementsAre("/srv"));
  for (const auto& [name, health] : found) EXPECT_EQ(health.state, StorageState::ok) << name << " " << health.detail;
  EXPECT_THAT(found["md md0"].mounts, ElementsAre("/", "/home"));
  EXPECT_THAT(found["disk sda"].mounts, ElementsAre("/", "/home"));
  EXPECT_THAT(found["disk sdd"].mounts, ElementsAre("/var"));
  EXPECT_THAT(found["disk sdc"].mounts, ElementsAre("/data"));
  EXPECT_THAT(found["lvm vg/pool"].mounts, ElementsAre("/var"));
  EXPECT_THAT(found["mount /srv"].mounts, ElementsAre("/srv"));
  EXPECT_EQ(found.size(), 7u);
}

TEST_F(StorageTest, WhatIsNotWholeHoldsUpTheChangesOnItAlone) {
  disk_.put("/proc/mdstat", "md0 : active raid1 sdb1[1](F) sda1[0]\n      1046528 blocks super 1.2 [2/1] [U_]\n\n");
  smart("sdc", false);
  nas_ = io::MountAnswer::hangs;
  std::vector<StorageHealth> all;
  for (auto& [name, health] : collect()) all.push_back(health);
  const auto held_up = [&](const char* mount) {
    std::vector<std::string> subjects;
    for (const auto& problem : fleet::storage_problems(all, {mount})) subjects.push_back(problem.subject);
    return subjects;
  };
  EXPECT_THAT(held_up("/"), ElementsAre("md0"));
  EXPECT_THAT(held_up("/data"), ElementsAre("sdc"));
  EXPECT_THAT(held_up("/srv"), ElementsAre("/srv"));
  EXPECT_TRUE(held_up("/var").empty());
}

TEST_F(StorageTest, AFileSystemThatNotedErrorsIsTold) {
  disk_.put("/sys/fs/ext4/sdc1/errors_count", "3\n");
  disk_.put("/sys/block/md0/md/mismatch_cnt", "128\n");
  auto found = collect();
  EXPECT_EQ(found["filesystem /data"].state, StorageState::degraded);
  EXPECT_THAT(found["filesystem /data"].detail, testing::HasSubstr("3 errors"));
  EXPECT_THAT(found["md md0"].detail, testing::HasSubstr("128 sectors differed"));
}

TEST_F(StorageTest, WithoutToolsWhatTheKernelSaysIsLeft) {
  processes_.on("*", fakes::is_missing());
  auto found = collect();
  EXPECT_TRUE(found.contains("md md0"));
  EXPECT_TRUE(found.contains("mount /srv"));
  EXPECT_FALSE(found.contains("disk sda"));
}

TEST_F(StorageTest, NoDriveIsWokenAndToolsHaveAnEnd) {
  collect();
  for (const auto& call : processes_.calls()) {
    EXPECT_LE(call.timeout, Duration(10'000));
    if (call.argv[0] == "smartctl") EXPECT_THAT(call.argv, Contains("standby"));
  }
}

// A real file system over a real device of this machine.
TEST(StorageReal, ABtrfsOnALoopDeviceIsFoundWell) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root mounts";
  std::string base = "/tmp/belay-storage-XXXXXX";
  ASSERT_NE(::mkdtemp(base.data()), nullptr);
  const auto run = [](std::vector<std::string> argv) {
    io::ProcessSpec spec;
    spec.argv = std::move(argv);
    spec.environment = io::plain_environment();
    const auto outcome = io::real_processes().run(spec);
    return outcome.ok() && outcome->success();
  };
  std::filesystem::create_directories(base + "/at");
  const bool mounted = run({"truncate", "--size", "200M", base + "/image"}) &&
                       run({"mkfs.btrfs", "--quiet", base + "/image"}) &&
                       run({"mount", "-o", "loop", base + "/image", base + "/at"});
  const auto found = collect_storage({io::real_files(), io::real_processes(), ""});
  ::umount2((base + "/at").c_str(), MNT_DETACH);
  std::filesystem::remove_all(base);
  if (!mounted) GTEST_SKIP() << "no btrfs or no loop device here";
  const auto health =
      std::ranges::find_if(found, [&](const auto& one) { return one.what == "btrfs" && one.subject == base + "/at"; });
  ASSERT_NE(health, found.end());
  EXPECT_EQ(health->state, StorageState::ok) << health->detail;
  EXPECT_THAT(health->mounts, ElementsAre(base + "/at"));
}

}  // namespace
}  // namespace belay::agent
