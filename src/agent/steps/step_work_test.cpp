// Steps over the real disk and the real shell; only the network is fake.
#include "agent/steps/step_work.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/bytes.hpp"
#include "io/crypto.hpp"

namespace belay::agent {
namespace {

class StepTest : public testing::Test {
 protected:
  StepTest() { std::filesystem::create_directories(directory_); }
  ~StepTest() override { std::filesystem::remove_all(directory_); }

  StepEnd run(document::Work work) {
    document::Step step;
    step.name = "s";
    step.work = std::move(work);
    return do_step({io::real_files(), io::real_processes(), fetch_}, step,
                   {"o-1", "mi-1", directory_.string(), (directory_ / "custom").string(), Instant{}, &cancel_,
                    [this](std::string_view text) { said_ += text; }});
  }
  StepEnd script(std::vector<std::string> lines) {
    document::RunShellScript work;
    work.commands = std::move(lines);
    work.timeout = Duration(20'000);
    work.environment = {{"SSM_Name", "it's $HOME; `id`"}};
    return run(work);
  }
  std::string content(const std::string& name) {
    return io::real_files().read((directory_ / name).string(), 1'000).value();
  }

  std::filesystem::path directory_ = std::filesystem::temp_directory_path() /
                                     ("belay-step-" + std::to_string(::getpid()) + "-" + to_hex(io::random_bytes(4)));
  std::function<Result<std::string>(const std::string&)> fetch_;
  std::atomic<bool> cancel_ = false;
  std::string said_;
};

TEST_F(StepTest, AScriptRunsInTheDocumentsDirectoryWithItsVariablesOnly) {
  const auto end = script({"pwd", "printf '%s\\n' \"$SSM_Name\" \"$AWS_SSM_INSTANCE_ID\"", "echo bad >&2", "exit 7"});
  EXPECT_EQ(end.how, StepEnd::How::exited);
  EXPECT_EQ(end.exit_code, 7);
  EXPECT_EQ(end.standard_output, directory_.string() + "\nit's $HOME; `id`\nmi-1\n");
  EXPECT_EQ(end.standard_error, "bad\n");
  EXPECT_NE(said_.find("bad"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(directory_)) << "the script itself is gone";
}

TEST_F(StepTest, WhatItSaysIsKeptUpToTwoMebibytes) {
  const auto whole = script({"seq 1 100000"});
  EXPECT_EQ(whole.standard_output.size(), 588'895U);
  EXPECT_TRUE(whole.standard_output.ends_with("\n99999\n100000\n"));
  const auto cut = script({"seq 1 500000"});  // 3.4 MB
  EXPECT_LE(cut.standard_output.size(), kStepOutputBytesMax);
  EXPECT_TRUE(cut.standard_output.starts_with("1\n2\n3\n"));
  EXPECT_NE(cut.standard_output.find(" bytes cut here"), std::string::npos);
  EXPECT_TRUE(cut.standard_output.ends_with("\n499999\n500000\n")) << "the end is what people look at";
}

TEST_F(StepTest, AScriptIsForWhatItsFirstLineNames) {
  EXPECT_EQ(script({"#!/bin/bash", "[[ a == a ]] && echo \"${BASH_VERSION:+bash}\""}).standard_output, "bash\n");
  EXPECT_EQ(script({"#! /bin/sh -e", "false", "echo on"}).exit_code, 1) << "its argument counts";
  EXPECT_EQ(script({"#!/usr/bin/env python3\nprint('whole text')"}).standard_output, "whole text\n");
  EXPECT_EQ(script({"#!", "echo shell"}).standard_output, "shell\n");
  EXPECT_NE(script({"#!/no/such"}).exit_code, 0);
}

TEST_F(StepTest, ASignalIsNoExitStatusOfItsOwn) {
  const auto end = script({"kill -9 $$"});
  EXPECT_EQ(end.exit_code, 137);
  EXPECT_NE(end.standard_error.find("signal 9"), std::string::npos);
}

TEST_F(StepTest, ACancelEndsAScript) {
  cancel_ = true;
  EXPECT_EQ(script({"sleep 60"}).how, StepEnd::How::cancelled);
}

TEST_F(StepTest, AScriptIsToldWhereItIs) {
  const auto end =
      script({"echo \"$AWS_SSM_REGION_NAME,$AWS_SSM_INSTANCE_ID\"",
              "[ \"$AWS_SSM_PLATFORM_NAME\" = \"$(. /etc/os-release; echo \"$NAME\")\" ] && echo name",
              "[ \"$AWS_SSM_PLATFORM_VERSION\" = \"$(. /etc/os-release; echo \"$VERSION_ID\")\" ] && echo version"});
  EXPECT_EQ(end.standard_output, "local,mi-1\nname\nversion\n");
}

TEST_F(StepTest, ARelativePathStaysInTheDocumentsDirectory) {
  std::filesystem::create_directories(directory_ / "inner");
  document::RunShellScript work;
  work.commands = {"pwd"};
  work.working_directory = "inner/../inner";
  EXPECT_EQ(run(work).exit_code, 0);
  work.working_directory = "inner/../..";
  const auto end = run(work);
  EXPECT_EQ(end.how, StepEnd::How::failed);
  EXPECT_NE(end.why.find("leads out"), std::string::npos) << end.why;
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "inner")) << "nothing was run";
  fetch_ = [](const std::string&) { return Result<std::string>("body"); };
  document::DownloadContent content;
  content.location = "https://host.example/x";
  content.destination = "../x";
  EXPECT_NE(run(content).why.find("leads out"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(directory_.parent_path() / "x"));
}

TEST_F(StepTest, AWorkingDirectoryThatIsNotThereIsAFailureAndSaysSo) {
  document::RunShellScript work;
  work.commands = {"true"};
  work.working_directory = "/no/such";
  const auto end = run(work);
  EXPECT_EQ(end.how, StepEnd::How::failed);
  EXPECT_NE(end.why.find("/no/such"), std::string::npos) << end.why;
}

document::DownloadContent http(std::string sha256, std::string destination = "") {
  document::DownloadContent work;
  work.location = "https://host.example/dir/tool.sh?x=1";
  work.sha256 = std::move(sha256);
  work.destination = std::move(destination);
  return work;
}

TEST_F(StepTest, ADownloadIsKeptOnlyWithTheRightChecksum) {
  fetch_ = [](const std::string&) { return Result<std::string>("body"); };
  const auto sum = io::sha256_hex("body");
  EXPECT_EQ(run(http(sum)).exit_code, 0);
  EXPECT_EQ(content("tool.sh"), "body");
  EXPECT_EQ(run(http(sum, "sub/")).exit_code, 0);
  EXPECT_EQ(content("sub/tool.sh"), "body");
  EXPECT_EQ(run(http(sum, "other")).exit_code, 0);
  EXPECT_EQ(content("other"), "body");
  EXPECT_EQ(run(http(sum, "sub")).exit_code, 0);  // a folder by now

  const auto bad = run(http(io::sha256_hex("else"), "bad"));
  EXPECT_EQ(bad.how, StepEnd::How::failed);
  EXPECT_NE(bad.why.find("expected"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "bad"));
}

TEST_F(StepTest, WhatCannotBeFetchedSaysWhy) {
  fetch_ = [](const std::string&) { return Result<std::string>(Error(Code::unavailable, "connection refused")); };
  EXPECT_NE(run(http("")).why.find("connection refused"), std::string::npos);
  fetch_ = {};
  EXPECT_EQ(run(http("")).how, StepEnd::How::failed);
}

TEST_F(StepTest, GitTakesHttpsOnly) {
  document::DownloadContent work;
  work.source = document::Source::Git;
  work.location = "file:///etc";
  const auto end = run(work);
  EXPECT_TRUE(end.how == StepEnd::How::failed || end.exit_code != 0);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "content" / ".git"));
}

TEST_F(StepTest, ADocumentThatWasSentAlongIsPutDownAsAFile) {
  document::DownloadContent work;
  work.source = document::Source::SSMDocument;
  work.location = "Team-Tune";
  EXPECT_EQ(run(work).how, StepEnd::How::failed) << "nothing was sent along";
  work.content = "schemaVersion: '2.2'\n";
  work.path = "../Team-Tune.yaml";
  EXPECT_EQ(run(work).how, StepEnd::How::failed) << "a name that leads out";
  work.path = "Team-Tune.yaml";
  work.destination = "documents/";
  EXPECT_EQ(run(work).exit_code, 0);
  EXPECT_EQ(content("documents/Team-Tune.yaml"), work.content);
}

TEST_F(StepTest, InventoryListsFilesWithinItsBounds) {
  auto& files = io::real_files();
  for (const auto* name : {"etc/a.conf", "etc/b.txt", "etc/deep/c.conf"}) {
    const auto path = directory_ / name;
    std::filesystem::create_directories(path.parent_path());
    ASSERT_TRUE(files.write_durable(path.string(), "12345", 0600).ok());
  }
  std::filesystem::create_directory_symlink(directory_ / "etc", directory_ / "etc/deep/circle");
  const auto ask = [&](const std::string& more) {
    return run(document::SoftwareInventory{
        {{"files", R"([{"Path":")" + (directory_ / "etc").string() + R"(",)" + more + "}]"}}});
  };
  const auto flat = ask(R"("Pattern":["*.conf"])");
  ASSERT_EQ(flat.inventory.size(), 1U) << flat.why;
  ASSERT_EQ(flat.inventory[0].content.size(), 1U);
  EXPECT_EQ(flat.inventory[0].type_name, "AWS:File");
  EXPECT_EQ(flat.inventory[0].content[0].at("Name"), "a.conf");
  EXPECT_EQ(flat.inventory[0].content[0].at("Size"), "5");
  EXPECT_EQ(flat.inventory[0].content[0].at("InstalledDir"), (directory_ / "etc").string());
  EXPECT_EQ(ask(R"("Pattern":["*.conf"],"Recursive":true)").inventory.at(0).content.size(), 2U);
  const auto cut = ask(R"("Pattern":["*"],"Recursive":true,"DirScanLimit":2)");
  EXPECT_EQ(cut.inventory.at(0).content.size(), 2U);
  EXPECT_NE(cut.standard_output.find("DirScanLimit"), std::string::npos);
  EXPECT_EQ((ask(R"("Pattern":[])").how), StepEnd::How::failed);
}

TEST_F(StepTest, InventoryTakesWhatPeopleLaidDown) {
  const document::SoftwareInventory wanted{{{"customInventory", "Enabled"}}};
  EXPECT_EQ(run(wanted).exit_code, 0) << "no folder, nothing to say";
  std::filesystem::create_directories(directory_ / "custom");
  const auto put = [&](const std::string& name, std::string_view text) {
    ASSERT_TRUE(io::real_files().write_durable((directory_ / "custom" / name).string(), text, 0600).ok());
  };
  put("rack.json", R"({"SchemaVersion":"1.0","TypeName":"Custom:Rack","Content":{"Bay":"A"}})");
  put("notes.txt", "no inventory");
  const auto end = run(wanted);
  ASSERT_EQ(end.inventory.size(), 1U) << end.why;
  EXPECT_EQ(end.inventory[0].type_name, "Custom:Rack");
  put("rack2.json", R"({"SchemaVersion":"1.0","TypeName":"Custom:Rack","Content":{}})");
  EXPECT_NE(run(wanted).why.find("there twice"), std::string::npos);
  put("rack2.json", "{");
  EXPECT_NE(run(wanted).why.find("rack2.json"), std::string::npos);
}

TEST_F(StepTest, WhatThisAgentDoesNotKnowFails) {
  EXPECT_EQ(run(document::RefreshAssociation{}).how, StepEnd::How::failed);
}

}  // namespace
}  // namespace belay::agent
