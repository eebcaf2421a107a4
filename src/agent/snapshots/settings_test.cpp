#include <gtest/gtest.h>

#include "agent/snapshots/providers.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

constexpr const char* kPath = "/etc/belay/snapshots.toml";

Result<SnapshotSettings> read(const std::string& text, std::uint32_t mode = 0644) {
  fakes::MemoryFiles files;
  files.put(kPath, text, mode);
  return read_snapshot_settings(files, kPath);
}

TEST(SnapshotSettings, WithoutAFileTheThreeAreAsked) {
  const fakes::MemoryFiles files;
  const auto settings = read_snapshot_settings(files, kPath);
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->providers, (std::vector<std::string>{"btrfs", "lvm", "zfs"}));
  EXPECT_EQ(settings->keep, std::chrono::hours(72));
}

TEST(SnapshotSettings, SayEverything) {
  const auto settings = read(R"(
providers = ["zfs"]
keep = "12h"
[lvm]
classic_percent = 100
[copy]
folders = ["/srv/app"]
into = "/var/copies"
[[command]]
name = "filer"
program = "/usr/local/sbin/belay-filer"
mounts = ["/srv/data", "/srv/more"]
timeout = "30m"
)");
  ASSERT_TRUE(settings.ok()) << settings.error().chain();
  EXPECT_EQ(settings->keep, std::chrono::hours(12));
  EXPECT_EQ(settings->lvm_percent, 100);
  ASSERT_EQ(settings->commands.size(), 1u);
  EXPECT_EQ(settings->commands[0].timeout, Duration(1'800'000));
  EXPECT_EQ(settings->commands[0].mounts, (std::vector<std::string>{"/srv/data", "/srv/more"}));
  EXPECT_EQ(settings->copies_directory, "/var/copies");
  fakes::MemoryFiles files;
  fakes::ScriptedProcesses processes;
  const fakes::ManualClock clock;
  std::vector<std::string> names;
  for (const auto& provider : make_snapshot_providers(files, processes, clock, *settings))
    names.emplace_back(provider->name());
  EXPECT_EQ(names, (std::vector<std::string>{"filer", "zfs", "copy"}));
}

TEST(SnapshotSettings, WhatOthersMayWriteIsNotRead) {
  const auto settings = read("keep = \"1d\"\n", 0666);
  ASSERT_FALSE(settings.ok());
  EXPECT_EQ(settings.error().code(), Code::permission_denied);
}

TEST(SnapshotSettings, AMistakeIsNamedWithItsFieldAndLine) {
  struct Row {
    const char* text;
    const char* says;
  };
  for (const auto& [text, says] : std::vector<Row>{
           {"keep = \"5m\"\n", "keep (line 1)"},
           {"\nkeep = 3\n", "keep (line 2)"},
           {"providers = [\"xfs\"]\n", "providers[0] (line 1)"},
           {"provider = [\"lvm\"]\n", "provider"},
           {"[lvm]\nclassic_percent = 0\n", "lvm.classic_percent"},
           {"[copy]\nfolders = [\"srv\"]\n", "copy.folders[0]"},
           {"[copy]\nfolders = [\"/srv/../etc\"]\n", "copy.folders[0]"},
           {"[[command]]\nname = \"lvm\"\nprogram = \"/p\"\nmounts = [\"/a\"]\n", "command[0].name"},
           {"[[command]]\nname = \"a\"\nprogram = \"p\"\nmounts = [\"/a\"]\n", "command[0].program"},
           {"[[command]]\nname = \"a\"\nprogram = \"/p\"\n", "command[0].mounts"},
           {"[[command]]\nname = \"a\"\nprogram = \"/p\"\nmounts = [\"/a\"]\ntimeout = \"9h\"\n", "command[0].timeout"},
           {"[[command]]\nname = \"a\"\nprogram = \"/p\"\nmounts = [\"/a\"]\n[[command]]\nname = \"a\"\nprogram = "
            "\"/p\"\nmounts = [\"/a\"]\n",
            "command[1].name"},
           {"keep = \n", "line 1"}}) {
    const auto settings = read(text);
    ASSERT_FALSE(settings.ok()) << text;
    EXPECT_NE(settings.error().chain().find(says), std::string::npos) << settings.error().chain();
    EXPECT_NE(settings.error().chain().find(kPath), std::string::npos) << settings.error().chain();
  }
}

}  // namespace
}  // namespace belay::agent
