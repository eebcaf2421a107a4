#include "agent/inventory/inventory.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/inventory/proc_text.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::inventory {
namespace {

TEST(Inventory, MountsThatMayHangAreNotTouched) {
  const auto mounts = parse_mounts(
      "/dev/vda1 / ext4 rw 0 0\n"
      "proc /proc proc rw 0 0\n"
      "nas:/home /home nfs4 rw 0 0\n"
      "sshfs /mnt/x fuse.sshfs rw 0 0\n"
      "tmpfs /run tmpfs rw 0 0\n"
      "tmpfs /tmp tmpfs rw 0 0\n"
      "/dev/vdb /srv/a\\040b xfs rw 0 0\n");
  ASSERT_EQ(mounts.size(), 3u);
  EXPECT_EQ(mounts[0].path, "/");
  EXPECT_EQ(mounts[1].path, "/srv/a b");
  EXPECT_EQ(mounts[2].path, "/tmp");
}

TEST(Inventory, BootTimeOfAContainerIsItsFirstProcess) {
  const std::string stat = "cpu 1 2\nbtime 1795000000\nprocesses 1\n";
  const std::string first = "1 (sys temd) x) S 0 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 12345 1 1";
  EXPECT_EQ(to_unix_ms(*booted_at(stat, first, 100)), 1795000000000 + 123000);
  EXPECT_EQ(to_unix_ms(*booted_at(stat, "", 100)), 1795000000000);
  EXPECT_FALSE(booted_at("cpu 1\n", first, 100));
}

TEST(Inventory, Addresses) {
  const auto addresses = parse_addresses(
      "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.2.3\n        /32 host LOCAL\n     |-- 10.1.2.255\n        /32 link "
      "BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n",
      "00000000000000000000000000000001 01 80 10 80       lo\n"
      "fe80000000000000021122fffe334455 02 40 20 80     eth0\n"
      "20010db8000000000000000000000042 02 40 00 80     eth0\n");
  EXPECT_EQ(addresses, (std::vector<std::string>{"10.1.2.3", "2001:db8::42"}));
}

TEST(Inventory, DeletedLibrariesAreThoseThatRun) {
  const auto libraries = deleted_libraries(
      "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)\n"
      "7f01-7f02 r--p 00000000 08:01 1 /usr/lib/locale/C.utf8 (deleted)\n"
      "7f02-7f03 rwxp 00000000 00:01 1 /memfd:jit (deleted)\n"
      "7f03-7f04 r-xp 00000000 08:01 1 /usr/lib/libc.so.6\n");
  EXPECT_EQ(libraries, std::vector<std::string>{"/usr/lib/x86_64-linux-gnu/libssl.so.3"});
}

TEST(Inventory, KernelsOfOneFlavourAreCompared) {
  EXPECT_TRUE(is_newer_kernel("6.1.0-56-cloud-amd64", "6.1.0-50-cloud-amd64"));
  EXPECT_TRUE(is_newer_kernel("6.1.0-100-amd64", "6.1.0-99-amd64"));
  EXPECT_FALSE(is_newer_kernel("6.1.0-56-amd64", "6.1.0-50-cloud-amd64"));
  EXPECT_FALSE(is_newer_kernel("6.1.0-50-amd64", "6.1.0-50-amd64"));
  EXPECT_TRUE(is_newer_kernel("5.14.0-427.el9.x86_64", "5.14.0-70.el9.x86_64"));
}

TEST(Inventory, ServicesAndTheirMarks) {
  const auto services =
      parse_services("ssh.service loaded active running OpenBSD\n● nginx.service loaded failed failed web\n\n");
  ASSERT_EQ(services.size(), 2u);
  EXPECT_EQ(services[0].name, "nginx.service");
  EXPECT_EQ(services[0].active, "failed");
  EXPECT_EQ(services[1].active, "active");
  EXPECT_EQ(service_of_cgroup("12:pids:/system.slice/ssh.service\n0::/system.slice/ssh.service\n"), "ssh.service");
  EXPECT_EQ(service_of_cgroup("0::/user.slice/user-0.slice/session-1.scope\n"), "");
}

TEST(Inventory, CollectsWhatIsThereAndLeavesTheRestEmpty) {
  fakes::MemoryFiles files;
  files.put("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian 12\"\n");
  files.put("/proc/sys/kernel/hostname", "web-1\n");
  files.put("/proc/sys/kernel/osrelease", "6.1.0-50-amd64\n");
  files.put("/boot/vmlinuz-6.1.0-50-amd64", "");
  files.put("/boot/vmlinuz-6.1.0-56-amd64", "");
  files.put("/run/reboot-required", "");
  files.put("/run/reboot-required.pkgs", "libc6\nlibc6\n");
  files.put("/proc/77/maps", "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libssl.so.3 (deleted)\n");
  files.put("/proc/77/comm", "nginx\n");
  files.put("/proc/77/cgroup", "0::/system.slice/nginx.service\n");
  fakes::ScriptedProcesses processes;
  const auto facts = collect_facts(files, processes);
  EXPECT_EQ(facts.os_codename, "bookworm");
  EXPECT_EQ(facts.computer_name, "web-1");
  EXPECT_TRUE(facts.reboot_required);
  EXPECT_EQ(facts.reboot_reasons,
            (std::vector<std::string>{"/run/reboot-required: libc6",
                                      "kernel 6.1.0-56-amd64 is installed, 6.1.0-50-amd64 runs"}));
  ASSERT_EQ(facts.stale_processes.size(), 1u);
  EXPECT_EQ(facts.stale_processes[0].service, "nginx.service");
  EXPECT_TRUE(facts.services.empty());
  EXPECT_FALSE(facts.booted_at);
}

// A child gives up root where it is root; process 1 is root's.
TEST(Inventory, WhatMayNotBeLookedAtIsCounted) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool other = ::geteuid() != 0 || ::setresuid(65534, 65534, 65534) == 0;
    ::_exit(other && processes_out_of_sight(io::real_files()) > 0 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  fakes::MemoryFiles files;
  files.put("/proc/77/maps", "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libssl.so.3\n");
  files.put("/proc/78/comm", "ended meanwhile\n");
  EXPECT_EQ(processes_out_of_sight(files), 0U);
}

TEST(Inventory, OfThisMachine) {
  const auto facts = collect_facts(io::real_files(), io::real_processes());
  EXPECT_FALSE(facts.kernel_running.empty());
  EXPECT_FALSE(facts.boot_id.empty());
  EXPECT_GT(facts.cpus, 0u);
  EXPECT_GT(facts.memory_bytes, 0u);
  EXPECT_FALSE(facts.mounts.empty());
}

}  // namespace
}  // namespace belay::agent::inventory
