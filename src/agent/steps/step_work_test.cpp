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
                   {"o-1", "mi-1", directory_.string(), &cancel_, [this](std::string_view text) { said_ += text; }});
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

TEST_F(StepTest, ASignalIsNoExitStatusOfItsOwn) {
  const auto end = script({"kill -9 $$"});
  EXPECT_EQ(end.exit_code, 137);
  EXPECT_NE(end.standard_error.find("signal 9"), std::string::npos);
}

TEST_F(StepTest, ACancelEndsAScript) {
  cancel_ = true;
  EXPECT_EQ(script({"sleep 60"}).how, StepEnd::How::cancelled);
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

TEST_F(StepTest, WhatThisAgentDoesNotKnowFails) {
  EXPECT_EQ(run(document::RefreshAssociation{}).how, StepEnd::How::failed);
}

}  // namespace
}  // namespace belay::agent
