// What a node says of its plan is not what others get on trust; each node gets what was planned for it; and what is in
// quarantine comes by no detour.
#include "server/engine/rollouts_fixture_test.hpp"

namespace belay::server {
namespace {
using testing::HasSubstr;

class RolloutTrustTest : public RolloutsTest {
 protected:
  static constexpr const char* kOneRing = R"(
name: all
approvals: 1
rings: [{name: all, targets: ["*"], maxConcurrency: "100%"}]
)";
  std::vector<store::rollouts::Quarantine> in_quarantine() {
    return disk_->read([](store::Sql& sql) { return store::rollouts::in_quarantine(sql); }).value();
  }
  static store::rollouts::Quarantine bad(const std::string& version = "2") {
    store::rollouts::Quarantine entry;
    entry.name = "openssl";
    entry.version = version;
    entry.reason = "leaks";
    entry.added_by = "operator";
    return entry;
  }
  ChangeSetView planned(const std::vector<std::string>& nodes) {
    CreateChangeSetRequest request;
    request.instance_ids = nodes;
    request.requested_by = "author";
    const auto made = change_sets_->create(request);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().chain());
    settle();
    return change_sets_->get(made->change_set_id).value();
  }
  Error rolled_back(const std::string& id) {
    RollbackRequest request;
    request.rollout_id = id;
    request.reason = "breaks TLS";
    request.requested_by = "operator";
    const auto back = rollouts_->roll_back(request);
    return back.ok() ? Error(Code::internal, "it went") : back.error();
  }
};

TEST_F(RolloutTrustTest, APlanLeadsOnlyToWhatItsNodesRepositoriesOffer) {
  for (auto& [id, node] : fleet_) node.pulls_in = {{"bash", "amd64", "5", "6", std::string(64, 'e'), 4}};
  const auto view = planned({"dev", "staging", "prod"});
  EXPECT_EQ(view.status, ChangeSetStatus::Failed);
  EXPECT_THAT(view.status_details, HasSubstr("bash.amd64"));
  EXPECT_THAT(view.status_details, HasSubstr("do not offer"));
}

TEST_F(RolloutTrustTest, WhatComesInAnewAndIsVouchedForByNoOfferNeverEntersThePool) {
  for (auto& [id, node] : fleet_) node.pulls_in = {{"evil", "amd64", "", "1", std::string(64, 'e'), 4}};
  const auto view = planned({"dev", "staging", "prod"});
  ASSERT_EQ(view.status, ChangeSetStatus::Ready) << view.status_details;
  ASSERT_EQ(view.parts.size(), 1u);
  const auto line = std::ranges::find(view.parts[0].changes, "evil", &fleet::PackageChange::name);
  ASSERT_NE(line, view.parts[0].changes.end());
  EXPECT_EQ(line->sha256, "") << "each node takes it from its own signed archive, or not at all";
  EXPECT_EQ(line->size_bytes, 0u);
}

TEST_F(RolloutTrustTest, NodesWithTheSamePackagesAndOtherOffersGetEachTheirOwn) {
  for (const auto* env : {"staging", "prod"}) {
    node(env).offers.push_back(offer("openssl", "3"));
    scan(node(env));
  }
  const auto id = carried_out(kOneRing);
  EXPECT_EQ(state(id), "Completed") << why(id);
  EXPECT_EQ(version(node("dev"), "openssl"), "2");
  EXPECT_EQ(version(node("staging"), "openssl"), "3");
  EXPECT_EQ(version(node("prod"), "openssl"), "3");
}

TEST_F(RolloutTrustTest, WhatWasPlannedForANodeStandsWhenItsMirrorMovesOn) {
  node("prod").offers.push_back(offer("openssl", "3"));
  scan(node("prod"));
  const auto id = create(kOneRing);
  pass(10s);
  node("dev").offers = node("prod").offers;  // as if the change had been planned on that mirror
  scan(node("dev"));
  approve(id);
  pass(30s);
  EXPECT_EQ(state(id), "Completed") << why(id);
  EXPECT_EQ(version(node("dev"), "openssl"), "2");
  EXPECT_EQ(version(node("prod"), "openssl"), "3");
}

TEST_F(RolloutTrustTest, ANodeThatNoPartIsForIsHeldWherePartsDisagree) {
  node("prod").offers.push_back(offer("openssl", "3"));
  scan(node("prod"));
  const auto view = planned({"dev", "prod"});
  ASSERT_EQ(view.parts.size(), 2u);
  node("staging").offers.push_back(offer("openssl", "4"));
  scan(node("staging"));
  const auto id = carried_out("name: x\nchangeSet: " + view.change_set_id +
                              "\nrings: [{name: staging, targets: ['tag:Env=staging']}]");
  EXPECT_EQ(state_of(id, "staging"), "Held");
  EXPECT_THAT(rollouts_->nodes(id, {}, {})->items.at(0).row.why, HasSubstr("planned for neither"));
  const auto sent = send({{"ChangeSetId", {view.change_set_id}}}, "Belay-ApplyChangeSet");
  pass(20s);
  EXPECT_EQ(version(node("staging"), "openssl"), "1");
  EXPECT_EQ(version(node("dev"), "openssl"), "2");
  EXPECT_EQ(version(node("prod"), "openssl"), "3");
}

TEST_F(RolloutTrustTest, QuarantineHoldsForWhatOthersPullIn) {
  ASSERT_TRUE(rollouts_->put_quarantine(bad()).ok());
  for (auto& [id, node] : fleet_) {
    node.offers.push_back(offer("bash", "6"));
    node.pulls_in = {{"openssl", "amd64", "1", "2", "", 0}};
    scan(node);
  }
  const auto view = planned({"dev"});
  EXPECT_EQ(view.status, ChangeSetStatus::Failed);
  EXPECT_THAT(view.status_details, HasSubstr("in quarantine"));
  const auto sent = send({{"Operation", {"Install"}}});
  pass(20s);
  EXPECT_EQ(command(sent.command_id).status, "Failed");
  EXPECT_THAT(invocation(sent.command_id, node("dev")).standard_error, HasSubstr("in quarantine (qu-"));
  for (const auto& [id, node] : fleet_) EXPECT_EQ(version(node, "openssl"), "1");
}

TEST_F(RolloutTrustTest, ARolloutThatIsTakenBackLeavesItsVersionsInQuarantine) {
  const auto id = carried_out();
  ASSERT_EQ(state(id), "Completed") << why(id);
  EXPECT_EQ(rolled_back(id).message(), "it went");
  pass(120s);
  for (const auto& [node_id, node] : fleet_) EXPECT_EQ(version(node, "openssl"), "1");
  const auto entries = in_quarantine();
  EXPECT_EQ(std::ranges::count_if(entries, [](const auto& one) { return !one.change_set_id.empty(); }), 1);
  const auto version_of_it = std::ranges::find(entries, "openssl", &store::rollouts::Quarantine::name);
  ASSERT_NE(version_of_it, entries.end());
  EXPECT_EQ(version_of_it->version, "2");
  EXPECT_EQ(version_of_it->operating_system, "DEBIAN");
  EXPECT_EQ(std::ranges::count(entries, "openssl", &store::rollouts::Quarantine::name), 1) << "once, not for each node";
  // Another set of the same file, that ships more or less: not this version.
  for (auto& [node_id, node] : fleet_) scan(node);
  const auto again = planned({"dev"});
  EXPECT_TRUE(again.parts.at(0).changes.empty());
}

TEST_F(RolloutTrustTest, WhatNeverBeganIsNotTakenBackAndNothingIsBlamed) {
  const auto id = create();
  pass(10s);
  const auto refused = rolled_back(id);
  EXPECT_EQ(refused.reason(), "InvalidStateException") << refused.message();
  EXPECT_THAT(refused.message(), HasSubstr("belay rollout abort " + id));
  EXPECT_TRUE(in_quarantine().empty());
  EXPECT_EQ(state(id), "AwaitingApproval");
}

TEST_F(RolloutTrustTest, AnEntryThatCanNeverMatchIsRefused) {
  const struct {
    void (*change)(store::rollouts::Quarantine&);
    const char* why;
  } rows[] = {
      {[](auto& entry) { entry.version = "2 3"; }, "Version"},
      {[](auto& entry) { entry.version = "2*"; }, "Version"},
      {[](auto& entry) { entry.name = "open ssl"; }, "Package"},
      {[](auto& entry) { entry.arch = "x86_64"; }, "Architecture"},
      {[](auto& entry) { entry.arch = "pdp11"; }, "Architecture"},
      {[](auto& entry) { entry.reason = "  "; }, "Reason"},
  };
  for (const auto& row : rows) {
    auto entry = bad();
    row.change(entry);
    const auto put = rollouts_->put_quarantine(entry);
    ASSERT_FALSE(put.ok()) << row.why;
    EXPECT_THAT(put.error().message(), HasSubstr(row.why));
  }
  EXPECT_TRUE(in_quarantine().empty());
  auto spaced = bad(" 2 ");
  spaced.arch = "amd64";
  const auto put = rollouts_->put_quarantine(spaced);
  ASSERT_TRUE(put.ok()) << put.error().chain();
  EXPECT_EQ(in_quarantine().at(0).version, "2") << "a space that came along is none of the version";
  EXPECT_EQ(rollouts_->nodes_in_reach(*put).value(), 3u) << "all are offered it";
  EXPECT_EQ(rollouts_->nodes_in_reach(rollouts_->put_quarantine(bad("9.9")).value()).value(), 0u);
}

}  // namespace
}  // namespace belay::server
