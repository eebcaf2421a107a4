#include "agent/runner/agent_update.hpp"

#include <gtest/gtest.h>

#include "agent/runner/fake_host.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

// The agent itself, as far as an update hears of it: restarts when it is asked to.
class RestartingHost final : public FakeHost {
 public:
  explicit RestartingHost(std::function<void()> agent) : agent_(std::move(agent)) {}
  void pause(Duration) override { agent_(); }

 private:
  std::function<void()> agent_;
};

class AgentUpdateTest : public testing::Test {
 protected:
  AgentUpdateTest() {
    files_.put("/usr/bin/belay-agent", "old program", 0755);
    files_.put(paths_.welcomed(), json::encode_text(WelcomedAgent{BELAY_VERSION, "first life"}));
    processes_.on("/usr/bin/belay-agent.new version", fakes::prints("belay-agent 9.0\n"));
    wanted_.name = "belay-agent";
    wanted_.action = "Install";
    wanted_.version = "9.0";
    wanted_.sha256 = io::sha256_hex("new program");
  }
  StepEnd update() {
    return update_agent({files_, processes_, host_, paths_, "/usr/bin/belay-agent",
                         [this](const std::string&) { return Result<std::string>(sent_); }},
                        wanted_);
  }
  void restart() {
    if (!files_.info(paths_.restart()).ok()) return;
    ASSERT_TRUE(files_.remove(paths_.restart()).ok());
    const auto program = content("/usr/bin/belay-agent");
    if (program == "new program" && new_one_works_)
      files_.put(paths_.welcomed(), json::encode_text(WelcomedAgent{"9.0", "second life"}));
  }
  std::string content(const std::string& path) { return files_.read(path, 1'000).value(); }

  fakes::MemoryFiles files_;
  fakes::ScriptedProcesses processes_;
  RestartingHost host_{[this] { restart(); }};
  StatePaths paths_{"/state"};
  document::ConfigurePackage wanted_;
  std::string sent_ = "new program";
  bool new_one_works_ = true;
};

TEST_F(AgentUpdateTest, ANewOneTakesThePlaceAndTheOldOneIsKept) {
  const auto end = update();
  EXPECT_EQ(end.exit_code, 0) << end.why;
  EXPECT_EQ(content("/usr/bin/belay-agent"), "new program");
  EXPECT_EQ(content("/usr/bin/belay-agent.old"), "old program");
  EXPECT_NE(update().standard_output.find("there already"), std::string::npos);
}

TEST_F(AgentUpdateTest, OneThatIsNotWelcomedIsTakenBack) {
  new_one_works_ = false;
  const auto end = update();
  EXPECT_EQ(end.how, StepEnd::How::failed);
  EXPECT_NE(end.why.find("the old one was put back"), std::string::npos) << end.why;
  EXPECT_EQ(content("/usr/bin/belay-agent"), "old program");
  EXPECT_TRUE(files_.info(paths_.restart()).ok()) << "whoever runs is asked to make room for it";
}

TEST_F(AgentUpdateTest, WhatIsNotItIsNeverPutInPlace) {
  sent_ = "something else";
  EXPECT_NE(update().why.find("nothing was changed"), std::string::npos);
  sent_ = "new program";
  processes_.on("/usr/bin/belay-agent.new version", fakes::prints("belay-agent 8.0\n"));
  EXPECT_NE(update().why.find("nothing was changed"), std::string::npos);
  processes_.on("/usr/bin/belay-agent.new version", fakes::dies_of(11));
  EXPECT_EQ(update().how, StepEnd::How::failed);
  EXPECT_EQ(content("/usr/bin/belay-agent"), "old program");
  EXPECT_FALSE(files_.info("/usr/bin/belay-agent.new").ok());
}

TEST_F(AgentUpdateTest, AnOlderOneNeedsLeave) {
  wanted_.version = "0.0.1";
  EXPECT_NE(update().why.find("allowDowngrade"), std::string::npos);
  wanted_.action = "Uninstall";
  EXPECT_EQ(update().how, StepEnd::How::failed);
}

TEST_F(AgentUpdateTest, KilledAnywhereItGoesOn) {
  for (int change = 1; change <= 4; ++change) {
    SCOPED_TRACE(change);
    files_.put("/usr/bin/belay-agent", "old program", 0755);
    files_.put(paths_.welcomed(), json::encode_text(WelcomedAgent{BELAY_VERSION, "first life"}));
    files_.kill_at(change, fakes::MemoryFiles::Kill::before);
    EXPECT_THROW(update(), fakes::Killed);
    files_.restart();
    const auto program = content("/usr/bin/belay-agent");
    EXPECT_TRUE(program == "old program" || program == "new program");
    EXPECT_EQ(update().exit_code, 0);
    EXPECT_EQ(content("/usr/bin/belay-agent"), "new program");
  }
}

}  // namespace
}  // namespace belay::agent
