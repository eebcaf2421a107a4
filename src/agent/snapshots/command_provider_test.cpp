// A program that does not keep to the protocol; that one which does works is tried in tests/contract.
#include <gtest/gtest.h>

#include "agent/snapshots/providers.hpp"
#include "base/json.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

using fakes::prints;

struct Array {
  Array() {
    files.put("/opt/array", "#!/bin/sh\n", 0755);
    SnapshotHost host{files, processes, clock};
    host.carry_over = {"/var/lib/belay-agent"};
    provider = make_command_provider(host, {"array", "/opt/array", {"/srv"}, Duration(60'000)});
  }
  fakes::MemoryFiles files;
  fakes::ScriptedProcesses processes;
  fakes::ManualClock clock;
  std::unique_ptr<SnapshotProvider> provider;
};

const Snapshot kOne{"lun-7", "array", {}, {"/srv"}};

TEST(CommandProvider, IsAskedInJson) {
  Array array;
  array.processes.on("/opt/array create",
                     prints(R"({"id":"lun-7","tag":"belay-1","taken_at":"2026-11-23T12:00:00Z","mounts":["/srv"]})"));
  const auto taken = array.provider->create("belay-1", {"/srv"});
  ASSERT_TRUE(taken.ok()) << taken.error().chain();
  EXPECT_EQ(taken->id, "lun-7");
  EXPECT_EQ(taken->expires_at, taken->taken_at + std::chrono::hours(72));
  const auto asked = json::parse(array.processes.calls().back().standard_input);
  ASSERT_TRUE(asked.ok());
  EXPECT_EQ(json::to_canonical_text(*asked),
            R"({"expires_at":"2026-11-26T12:00:00Z","mounts":["/srv"],"protocol":1,"tag":"belay-1"})");
  array.processes.on("/opt/array restore", prints(R"({"needs_reboot":true,"left":"clone \u001b[31m9"})"));
  const auto restored = array.provider->restore(kOne);
  ASSERT_TRUE(restored.ok());
  EXPECT_TRUE(restored->needs_reboot);
  EXPECT_EQ(restored->left, std::vector<std::string>{"clone \\x1b[31m9"});
}

TEST(CommandProvider, ItsExitStatusSaysWhatIsWrong) {
  for (const auto& [status, code] : std::vector<std::pair<int, Code>>{
           {3, Code::not_found}, {4, Code::corrupt}, {5, Code::conflict}, {1, Code::internal}, {77, Code::internal}}) {
    Array array;
    array.processes.on("/opt/array *", fakes::fails(status, "the array says no"));
    const auto whole = array.provider->verify(kOne);
    ASSERT_FALSE(whole.ok());
    EXPECT_EQ(whole.error().code(), code);
    EXPECT_NE(whole.error().message().find("the array says no"), std::string::npos);
    EXPECT_EQ(array.provider->remove(kOne).ok(), status == 3);
  }
  Array array;
  array.processes.on("/opt/array *", fakes::times_out());
  EXPECT_EQ(array.provider->verify(kOne).error().code(), Code::timed_out);
}

TEST(CommandProvider, WhatIsAgainstTheProtocolIsRefused) {
  for (const char* answer :
       {"", "{}", "no JSON", "[]", R"({"id":"","tag":"belay-1","taken_at":"2026-11-23T12:00:00Z","mounts":["/srv"]})",
        R"({"id":"a\nb","tag":"belay-1","taken_at":"2026-11-23T12:00:00Z","mounts":["/srv"]})",
        R"({"id":"a","tag":"other","taken_at":"2026-11-23T12:00:00Z","mounts":["/srv"]})",
        R"({"id":"a","tag":"belay-1","taken_at":"yesterday","mounts":["/srv"]})",
        R"({"id":"a","tag":"belay-1","taken_at":"2026-11-23T12:00:00Z","mounts":["srv"]})",
        R"({"id":"a","tag":"belay-1","taken_at":"2026-11-23T12:00:00Z","mounts":[]})"}) {
    Array array;
    array.processes.on("/opt/array *", prints(answer));
    const auto taken = array.provider->create("belay-1", {"/srv"});
    ASSERT_FALSE(taken.ok()) << answer;
    EXPECT_EQ(taken.error().code(), Code::corrupt) << taken.error().chain();
    EXPECT_FALSE(array.provider->restore(kOne).ok()) << "it does not say whether to restart";
    EXPECT_FALSE(array.provider->list().ok());
  }
}

TEST(CommandProvider, AProgramThatOthersMayWriteIsNotRun) {
  Array array;
  array.files.put("/opt/array", "#!/bin/sh\n", 0775);
  const auto coverage = array.provider->covers({"/srv"});
  ASSERT_TRUE(coverage.ok());
  EXPECT_FALSE(*coverage);
  EXPECT_NE(coverage->why.find("written by others"), std::string::npos) << coverage->why;
  EXPECT_EQ(array.provider->verify(kOne).error().code(), Code::permission_denied);
  EXPECT_TRUE(array.processes.command_lines().empty());
}

}  // namespace
}  // namespace belay::agent
