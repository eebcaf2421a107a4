// What is decided before anything is taken; that it works is tried on real file systems in tests/contract.
#include <gtest/gtest.h>

#include "agent/snapshots/providers.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

using fakes::fails;
using fakes::prints;

struct Machine {
  Machine(const std::string& root, int id, const std::string& fstab_options, const std::string& kernel = "quiet") {
    files.put("/proc/self/mountinfo", "27 1 0:31 " + root +
                                          " / rw - btrfs /dev/vda2 rw,subvolid=" + std::to_string(id) +
                                          ",subvol=" + root + "\n28 27 254:1 / /boot rw - vfat /dev/vda1 rw\n");
    files.put("/proc/cmdline", kernel + "\n");
    if (!fstab_options.empty()) files.put("/etc/fstab", "UUID=1 / btrfs " + fstab_options + " 0 0\n");
    processes.on("btrfs subvolume get-default *", prints("ID 256 gen 1 top level 5 path @\n"));
    processes.on("btrfs subvolume list -o *", prints(""));
    provider = make_btrfs({files, processes, clock});
  }
  std::string why(const std::string& mount = "/") {
    const auto coverage = provider->covers({mount});
    EXPECT_TRUE(coverage.ok()) << coverage.error().chain();
    return coverage.ok() ? coverage->why : "";
  }
  fakes::MemoryFiles files;
  fakes::ScriptedProcesses processes;
  fakes::ManualClock clock;
  std::unique_ptr<SnapshotProvider> provider;
};

TEST(BtrfsCoverage, FollowsWhatTheNextBootMounts) {
  EXPECT_EQ(Machine("/@", 256, "noatime").why(), "");
  EXPECT_EQ(Machine("/@", 256, "").why(), "");
  EXPECT_EQ(Machine("/@", 300, "subvol=@").why(), "");
  EXPECT_EQ(Machine("/@", 300, "subvol=/@,noatime").why(), "");
  EXPECT_EQ(Machine("/@", 300, "", "ro rootflags=subvol=@").why(), "");
  EXPECT_NE(Machine("/@", 300, "noatime").why().find("neither the default subvolume"), std::string::npos);
  EXPECT_NE(Machine("/@", 256, "subvolid=256").why().find("subvolid="), std::string::npos);
  EXPECT_NE(Machine("/@", 256, "subvol=@", "rootflags=subvolid=256").why().find("subvolid="), std::string::npos);
  EXPECT_NE(Machine("/@old", 256, "subvol=@").why().find("restart first"), std::string::npos);
  EXPECT_NE(Machine("/", 5, "subvol=/").why().find("subvol=/"), std::string::npos);
}

TEST(BtrfsCoverage, BootIsAnsweredForByItself) {
  EXPECT_NE(Machine("/@", 256, "subvol=@").why("/boot").find("lies on vfat"), std::string::npos);
  Machine flat("/@", 256, "subvol=@"), plain("/@", 256, ""), suse("/@", 256, "");
  for (auto* machine : {&flat, &plain, &suse})  // without a mount of its own
    machine->files.put("/proc/self/mountinfo", "27 1 0:31 /@ / rw - btrfs /dev/vda2 rw,subvolid=256,subvol=/@\n");
  suse.files.put("/etc/default/grub", "GRUB_TIMEOUT=8\nSUSE_BTRFS_SNAPSHOT_BOOTING=\"true\"\n");
  EXPECT_EQ(flat.why("/boot"), "");
  EXPECT_NE(plain.why("/boot").find("boot loader"), std::string::npos);
  EXPECT_EQ(suse.why("/boot"), "");
  EXPECT_EQ(plain.why("/"), "");
}

TEST(BtrfsCoverage, WhatASnapshotWouldLeaveOutIsNamed) {
  Machine machine("/@", 256, "");
  machine.processes.on("btrfs subvolume list -o /", prints("ID 260 gen 1 top level 256 path @/var/lib/machines\n"
                                                           "ID 261 gen 1 top level 256 path @/var/lib/docker/btrfs\n"));
  ASSERT_TRUE(machine.files.make_directories("/var/lib/machines", 0700).ok());
  EXPECT_NE(machine.why().find("/var/lib/docker/btrfs"), std::string::npos)
      << "one that cannot be looked into may hold something";
  ASSERT_TRUE(machine.files.make_directories("/var/lib/docker/btrfs", 0700).ok());
  EXPECT_EQ(machine.why(), "") << "empty ones do not matter";
  machine.files.put("/var/lib/docker/btrfs/image", "x");
  EXPECT_NE(machine.why().find("/var/lib/docker/btrfs"), std::string::npos);
  machine.files.put("/proc/self/mountinfo",
                    *machine.files.read("/proc/self/mountinfo", 4'096) +
                        "29 27 0:31 /@/var/lib/docker/btrfs /var/lib/docker/btrfs rw - btrfs /dev/vda2 rw,"
                        "subvolid=261,subvol=/@/var/lib/docker/btrfs\n");
  EXPECT_EQ(machine.why(), "") << "what is mounted by its own name is found by it";
}

TEST(BtrfsCoverage, AFolderThatIsMountedIsNoSubvolume) {
  Machine machine("/@", 256, "");
  machine.files.put("/proc/self/mountinfo", "27 1 0:31 /@/srv /srv rw - btrfs /dev/vda2 rw,subvolid=256,subvol=/@\n");
  EXPECT_NE(machine.why("/srv").find("folder inside a subvolume"), std::string::npos);
}

TEST(BtrfsCoverage, WithoutItsProgramNothingIsCovered) {
  Machine machine("/@", 256, "");
  machine.processes.on("btrfs *", fakes::is_missing());
  EXPECT_NE(machine.why().find("btrfs-progs"), std::string::npos);
}

TEST(Btrfs, OnAnotherFileSystemNoProgramIsRun) {
  Machine machine("/@", 256, "");
  machine.files.put("/proc/self/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda rw\n");
  EXPECT_NE(machine.why().find("lies on ext4"), std::string::npos);
  ASSERT_TRUE(machine.provider->list().ok());
  EXPECT_TRUE(machine.provider->list()->empty());
  EXPECT_TRUE(machine.processes.command_lines().empty());
}

TEST(Btrfs, APassingMountIsUnmountedAlsoWhereTheWorkFails) {
  Machine machine("/@", 256, "");
  machine.processes.on("mount *", prints(""));
  machine.processes.on("umount *", prints(""));
  machine.processes.on("btrfs subvolume snapshot *", fails(1, "ERROR: cannot snapshot: No space left on device"));
  const auto taken = machine.provider->create("belay-1", {"/"});
  ASSERT_FALSE(taken.ok());
  EXPECT_NE(taken.error().chain().find("No space left"), std::string::npos);
  EXPECT_EQ(machine.processes.count("mount -t btrfs -o subvolid=5 /dev/vda2 /run/belay-agent/mount-*"), 1);
  EXPECT_EQ(machine.processes.count("umount /run/belay-agent/mount-*"), 1);
}

}  // namespace
}  // namespace belay::agent
