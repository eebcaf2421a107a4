// Over the real disk, for owners and modes are the point.
#include "agent/runner/node_policy.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"

namespace belay::agent {
namespace {

class NodePolicyTest : public testing::Test {
 protected:
  NodePolicyTest() { std::filesystem::create_directories(directory_), ::chmod(directory_.c_str(), 0755); }
  ~NodePolicyTest() override { std::filesystem::remove_all(directory_); }

  void put(std::string_view text, std::uint32_t mode = 0644) {
    ASSERT_TRUE(io::real_files().write_durable(path(), text, mode).ok());
  }
  std::string path() const { return (directory_ / "agent-policy.toml").string(); }
  Status asked(const wire::Order& order) { return check_policy(io::real_files(), paths_, path(), order, Instant{}); }
  void expect_unusable(const char* why) {
    const auto answer = asked({});
    ASSERT_FALSE(answer.ok()) << why;
    EXPECT_EQ(answer.error().reason(), "policy-unusable");
    EXPECT_NE(answer.error().chain().find(why), std::string::npos) << answer.error().chain();
  }

  StatePaths paths_{"/nowhere"};
  std::filesystem::path directory_ = std::filesystem::temp_directory_path() /
                                     ("belay-policy-" + std::to_string(::getpid()) + "-" + to_hex(io::random_bytes(4)));
};

wire::Order steps_by(std::string user) {
  wire::Order order;
  order.kind = wire::OrderKind::steps;
  order.document = "Belay-RunShellScript";
  order.requested_by = std::move(user);
  document::Step step;
  step.work = document::RunShellScript{{"true"}, "", {}, {}};
  order.steps = wire::StepsOrder{{step}, document::new_run(std::span(&step, 1)), {}};
  return order;
}

TEST_F(NodePolicyTest, WithoutAFileEverythingIsAllowed) { EXPECT_TRUE(asked(steps_by("anybody")).ok()); }

TEST_F(NodePolicyTest, AChangeCountsForTheNextOrder) {
  put("users = ['admin']");
  EXPECT_TRUE(asked(steps_by("admin")).ok());
  EXPECT_EQ(asked(steps_by("eve")).error().reason(), "policy-forbids");
  put("users = ['eve']");
  EXPECT_TRUE(asked(steps_by("eve")).ok());
}

TEST_F(NodePolicyTest, WhatBeganInItsHoursGoesOn) {
  put("hours = []\ntimezone = 'UTC'");
  auto order = steps_by("admin");
  EXPECT_FALSE(asked(order).ok());
  order.steps->run.steps[0].finished_at = Instant{};
  EXPECT_TRUE(asked(order).ok());
}

TEST_F(NodePolicyTest, WhatCannotBeReliedOnRefusesEverything) {
  put("users = [");
  expect_unusable("line 1");
  put("user = ['admin']");
  expect_unusable("user (line 1)");
  put("timezone = 'Mars/Olympus'\nhours = []");
  expect_unusable("timezone");
  put("users = ['admin']", 0664);
  expect_unusable("written by others");
  put("users = ['admin']");
  ::chmod(directory_.c_str(), 0777);
  expect_unusable("written by others");
  ::chmod(directory_.c_str(), 0755);
  std::filesystem::rename(path(), directory_ / "elsewhere");
  std::filesystem::create_symlink(directory_ / "elsewhere", path());
  expect_unusable("no plain file");
  std::filesystem::remove(path());
  put(std::string(policy::kPolicyBytesMax + 1, '#'));
  expect_unusable("agent-policy.toml");
}

TEST_F(NodePolicyTest, AFileOfAnotherUserIsNotRoots) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  put("users = ['admin']");
  ASSERT_EQ(::chown(path().c_str(), 12'345, 0), 0);
  expect_unusable("12345");
}

TEST_F(NodePolicyTest, CountsTheApprovalsOfWhatIsInstalledAndNeedsNoneForAWayBack) {
  put("approvals = 2\n");
  wire::Order order;
  order.kind = wire::OrderKind::patch;
  order.document = "belay:rollout";
  order.patch.emplace();
  order.patch->changes = {{"curl", "amd64", "2", "1", "", 0}};
  EXPECT_EQ(asked(order).error().reason(), "policy-forbids") << "nobody approved it";
  order.patch->approved.emplace();
  order.patch->approved->approvals = {{"bob", Instant{}, ""}};
  EXPECT_FALSE(asked(order).ok()) << "one did";
  order.patch->approved->approvals.push_back({"carol", Instant{}, ""});
  EXPECT_TRUE(asked(order).ok());
  order.patch->approved.reset();
  order.patch->undoes = "11111111-2222-4333-8444-555555555555";
  EXPECT_FALSE(asked(order).ok()) << "that it takes something back is only said";

  paths_ = StatePaths((directory_ / "state").string());
  wire::OrderResult past;
  past.order_id = order.patch->undoes;
  past.run.emplace();
  past.run->outcome = patchrun::Outcome::committed;
  past.run->changed = {{"curl", "amd64", "1", "2", "", 0}};
  ASSERT_TRUE(io::real_files().make_directories(paths_.archive(), 0700).ok());
  ASSERT_TRUE(io::real_files().write_durable(paths_.archived(past.order_id), json::encode_text(past), 0600).ok());
  EXPECT_TRUE(asked(order).ok()) << "this node had curl 1, by its own records";
  order.patch->changes[0].to_version = "0.9";
  EXPECT_FALSE(asked(order).ok()) << "and never 0.9";
  order.kind = wire::OrderKind::scan;
  order.patch.reset();
  order.scan.emplace();
  EXPECT_TRUE(asked(order).ok());
}

TEST_F(NodePolicyTest, WhereScriptsAreForbiddenNoProbeRunsOne) {
  put("scripts = false\n");
  wire::Order order;
  order.kind = wire::OrderKind::patch;
  order.document = "belay:rollout";
  order.patch.emplace();
  order.patch->probes.push_back({"disk", {}, {}, {}, {}, {}, {}, patchrun::DiskProbe{}});
  EXPECT_TRUE(asked(order).ok());
  order.patch->probes.push_back({"app", {}, {}, {}, patchrun::CommandProbe{"id"}});
  const auto changing = asked(order);
  ASSERT_FALSE(changing.ok());
  EXPECT_EQ(changing.error().reason(), "policy-forbids");
  EXPECT_NE(changing.error().message().find("scripts (the command of the probe app)"), std::string::npos)
      << changing.error().message();
  order.patch->undoes = "11111111-2222-4333-8444-555555555555";
  EXPECT_FALSE(asked(order).ok()) << "nor where probes are all that it reads";
  put("");
  EXPECT_TRUE(asked(order).ok());
}

TEST_F(NodePolicyTest, ReadingProbesAloneChangesNothing) {
  put("approvals = 2\npatching = false\nhours = []\ntimezone = 'UTC'\n");
  wire::Order order;
  order.kind = wire::OrderKind::patch;
  order.document = "belay:rollout";
  order.patch.emplace();
  EXPECT_FALSE(asked(order).ok()) << "it may reboot";
  order.patch->undoes = "11111111-2222-4333-8444-555555555555";
  EXPECT_TRUE(asked(order).ok());
  order.patch->changes = {{"curl", "amd64", "2", "1", "", 0}};
  EXPECT_FALSE(asked(order).ok());
}

}  // namespace
}  // namespace belay::agent
