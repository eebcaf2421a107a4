// What outlives a rollout: nodes that failed and are not settled, and what is in quarantine.
#include "server/engine/mail.hpp"
#include "server/engine/rollouts_fixture_test.hpp"
#include "server/engine/webhooks.hpp"
#include "store/audit.hpp"
#include "store/executions.hpp"

namespace belay::server {
namespace {
using testing::HasSubstr;

class RolloutMemoryTest : public RolloutsTest {
 protected:
  // One ring of one node, then the two others of the same cluster, one at a time.
  static constexpr const char* kCluster = R"(
name: cluster
rings: [{name: all, targets: ["*"], maxConcurrency: "100%", budget: [{tag: Cluster, maxDisrupted: 1}]}]
)";
  RolloutMemoryTest() {
    for (const auto& [env, id] : nodes_by_env_) tag(id, "Cluster", "db");
  }
  void tag(const std::string& id, const std::string& key, const std::string& value) {
    const std::vector<store::tags::Tag> tags{{key, value}};
    ASSERT_TRUE(
        store_->write([&](store::Sql& sql) { return store::tags::set(sql, store::tags::kManagedInstance, id, tags); })
            .ok());
  }
  std::vector<store::rollouts::Unsettled> unsettled() {
    return disk_->read([](store::Sql& sql) { return store::rollouts::unsettled(sql); }).value();
  }
  // A rollout of dev alone that fails as told, and is over.
  std::string failed_and_over(patchrun::Outcome how) {
    node("dev").patch_outcome = how;
    const auto id = carried_out("name: x\nonFailure: halt\nrings: [{name: dev, targets: ['tag:Env=dev']}]");
    EXPECT_EQ(state(id), "Halted");
    node("dev").patch_outcome = patchrun::Outcome::committed;
    EXPECT_TRUE(rollouts_->abort(id, "", "operator").ok());
    pass(5s);
    EXPECT_TRUE(rollouts_->get(id)->row.finished_at);
    lift_all();
    return id;
  }
  std::ptrdiff_t audited(const std::string& action) {
    const auto all = disk_->read([](store::Sql& sql) { return store::audit::list(sql, {}, {1'000, {}}); }).value();
    return std::ranges::count(all.items, action, &store::audit::Entry::action);
  }
  std::vector<store::rollouts::Quarantine> in_quarantine() {
    return disk_->read([](store::Sql& sql) { return store::rollouts::in_quarantine(sql); }).value();
  }
  void lift_all() {
    for (const auto& entry : in_quarantine())
      ASSERT_TRUE(rollouts_->lift_quarantine(entry.quarantine_id, "it was the node", "operator").ok());
  }
};

TEST_F(RolloutMemoryTest, WhatFailedBurdensTheBudgetsOfOthersWhenItsRolloutIsOver) {
  for (const auto how :
       {patchrun::Outcome::rollback_failed, patchrun::Outcome::inconsistent, patchrun::Outcome::left_as_is}) {
    for (auto& [id, node] : fleet_) scan(with_openssl(node));
    const auto before = failed_and_over(how);
    ASSERT_EQ(unsettled().size(), 1u);
    EXPECT_EQ(unsettled()[0].node_id, node("dev").id);
    EXPECT_EQ(unsettled()[0].rollout_id, before);
    const auto next = carried_out(kCluster);
    EXPECT_EQ(state(next), "Running");
    EXPECT_EQ(version(node("prod"), "openssl"), "1") << "one of its cluster has failed";
    EXPECT_THAT(rollouts_->get(next)->rings[0].why, HasSubstr("not settled: " + node("dev").id));
    EXPECT_FALSE(rollouts_->settle(node("dev").id, "", "operator").ok()) << "wants a reason";
    ASSERT_EQ(rollouts_->settle("dev", "it answers again", "operator").value(), node("dev").id);
    EXPECT_TRUE(unsettled().empty());
    const auto again = rollouts_->settle("dev", "it answers again", "operator");
    ASSERT_FALSE(again.ok());
    EXPECT_EQ(again.error().reason(), "InvalidStateException");
    pass(120s);
    EXPECT_EQ(state(next), "Completed") << why(next);
  }
  EXPECT_EQ(audited("belay:SettleRolloutNode"), 3);
}

TEST_F(RolloutMemoryTest, ARunThatIsCommittedThereSettlesIt) {
  failed_and_over(patchrun::Outcome::left_as_is);
  ASSERT_EQ(unsettled().size(), 1u);
  send({{"Operation", {"Install"}}});
  pass(20s);
  EXPECT_EQ(version(node("dev"), "openssl"), "2");
  EXPECT_TRUE(unsettled().empty());
}

TEST_F(RolloutMemoryTest, WhatIsBackAsItWasBurdensNobodyOnceItsRolloutIsOver) {
  failed_and_over(patchrun::Outcome::rolled_back);
  EXPECT_TRUE(unsettled().empty());
}

TEST_F(RolloutMemoryTest, AnOpenRolloutCountsItsSettledNodesNoMore) {
  // They begin in the order of their ids, which are random: the first is the one that fails.
  const auto failing = fleet_.begin()->first;
  fleet_.at(failing).patch_outcome = patchrun::Outcome::rollback_failed;
  const auto id = carried_out(R"(
name: cluster
rings:
  - {name: all, targets: ["*"], maxConcurrency: "1", maxErrors: "1", budget: [{tag: Cluster, maxDisrupted: 1}]}
)");
  const auto states = [&] {
    std::map<std::string, std::size_t> count;
    for (const auto& [env, node_id] : nodes_by_env_) ++count[state_of(id, env)];
    return count;
  };
  using States = std::map<std::string, std::size_t>;
  EXPECT_EQ(state(id), "Running");
  EXPECT_EQ(states(), (States{{"RollbackFailed", 1}, {"Pending", 2}})) << "one of its cluster has failed";
  ASSERT_TRUE(rollouts_->settle(failing, "mended", "operator").ok());
  pass(30s);
  EXPECT_EQ(state(id), "Completed") << why(id);
  EXPECT_EQ(states(), (States{{"RollbackFailed", 1}, {"Committed", 2}})) << "what happened stays told";
}

// Its own failure is nothing that goes on elsewhere and may pass.
TEST_F(RolloutMemoryTest, AWayBackThatItsOwnFailureHoldsUpHaltsAndSaysSo) {
  const auto failing = std::next(fleet_.begin())->first;
  fleet_.at(failing).patch_outcome = patchrun::Outcome::rollback_failed;
  const auto id = carried_out(R"(
name: cluster
onFailure: halt
rings: [{name: all, targets: ["*"], maxConcurrency: "1", budget: [{tag: Cluster, maxDisrupted: 1}]}]
)");
  ASSERT_EQ(state(id), "Halted");
  ASSERT_EQ(unsettled().size(), 1u);
  RollbackRequest request;
  request.rollout_id = id;
  request.requested_by = "operator";
  ASSERT_TRUE(rollouts_->roll_back(request).ok());
  pass(30s);
  EXPECT_EQ(state(id), "Halted");
  EXPECT_THAT(why(id), HasSubstr("1 of 3 nodes wait to be put back, and a budget of their group is used up"));
  EXPECT_EQ(version(fleet_.begin()->second, "openssl"), "2");
  ASSERT_TRUE(rollouts_->settle(failing, "mended", "operator").ok());
  pass(30s);
  EXPECT_EQ(version(fleet_.begin()->second, "openssl"), "1") << "its turn has come";
}

TEST_F(RolloutMemoryTest, ANodeThatIsRemovedBurdensNobody) {
  failed_and_over(patchrun::Outcome::inconsistent);
  ASSERT_EQ(unsettled().size(), 1u);
  ASSERT_TRUE(nodes_->deregister(node("dev").id, "operator").ok());
  EXPECT_TRUE(unsettled().empty());
}

// ---- quarantine

TEST_F(RolloutMemoryTest, ErrorsThatAreBorneAreQuarantinedForTheirSystemAndRole) {
  tag(node("dev").id, "Role", "web");
  tag(node("staging").id, "Role", "db");
  tag(node("prod").id, "Role", "web");
  node("dev").patch_outcome = patchrun::Outcome::rolled_back;
  const auto id = carried_out(R"(
name: roles
rings:
  - {name: first, targets: ["tag:Env=dev,staging"], maxConcurrency: "100%", maxErrors: "1", budget: [{tag: Role, maxDisrupted: 1}]}
  - {name: prod, targets: ["tag:Env=prod"]}
)");
  EXPECT_EQ(state_of(id, "staging"), "Committed");
  const auto held = in_quarantine();
  ASSERT_EQ(held.size(), 1u) << "the version; the change set goes on";
  EXPECT_EQ(held[0].name, "openssl");
  EXPECT_EQ(held[0].role, "web");
  EXPECT_FALSE(held[0].operating_system.empty());
  EXPECT_EQ(held[0].node_id, node("dev").id);
  EXPECT_THAT(held[0].reason, HasSubstr("within the errors that it bears"));
  EXPECT_EQ(state_of(id, "prod"), "Held") << "it is a web server, too";
  EXPECT_EQ(version(node("prod"), "openssl"), "1");
}

TEST_F(RolloutMemoryTest, ARingThatQuarantineHoldsBackTakesAllBackWithRollbackAll) {
  for (const auto* env : {"dev", "prod"}) tag(node(env).id, "Role", "web");
  tag(node("staging").id, "Role", "db");
  node("dev").patch_outcome = patchrun::Outcome::rolled_back;
  const auto id = carried_out(R"(
name: roles
onFailure: rollback-all
rings:
  - {name: first, targets: ["tag:Env=dev,staging"], maxConcurrency: "100%", maxErrors: "1", budget: [{tag: Role, maxDisrupted: 1}]}
  - {name: prod, targets: ["tag:Env=prod"]}
)");
  EXPECT_EQ(state(id), "RolledBack") << why(id);
  EXPECT_THAT(why(id), HasSubstr("in the ring prod 0 of 1 nodes took the change"));
  EXPECT_EQ(state_of(id, "prod"), "Held");
  const auto rings = rollouts_->get(id)->rings;
  EXPECT_EQ(rings[0].state, rollout::RingState::RolledBack) << "it was green, and what it took was taken back";
  EXPECT_EQ(rings[1].state, rollout::RingState::RolledBack);
  EXPECT_EQ(state_of(id, "staging"), "RolledBack");
  EXPECT_EQ(version(node("staging"), "openssl"), "1") << "it had taken the change";
  EXPECT_EQ(orders("staging", wire::OrderKind::patch), 2u);
}

TEST_F(RolloutMemoryTest, WithoutRolesInBudgetsAnErrorThatIsBorneBlamesNothingThatTookWellElsewhere) {
  node("dev").patch_outcome = patchrun::Outcome::rolled_back;
  const auto id = carried_out("name: x\nrings: [{name: all, targets: ['*'], maxConcurrency: '100%', maxErrors: '1'}]");
  EXPECT_EQ(state(id), "Completed") << why(id);
  EXPECT_TRUE(in_quarantine().empty());
}

TEST_F(RolloutMemoryTest, AHaltNamesTheRoleToo) {
  tag(node("dev").id, "Role", "web");
  node("dev").patch_outcome = patchrun::Outcome::rolled_back;
  const auto id = carried_out(R"(
name: roles
rings: [{name: dev, targets: ["tag:Env=dev"], budget: [{tag: Role, maxDisrupted: 1}]}]
)");
  EXPECT_EQ(state(id), "Halted");
  const auto held = in_quarantine();
  ASSERT_EQ(held.size(), 2u);
  for (const auto& entry : held) EXPECT_EQ(entry.role, entry.name.empty() ? "" : "web");
}

TEST_F(RolloutMemoryTest, WhatIsTakenBackByHandIsQuarantinedAsAsked) {
  struct Case {
    bool whole;
    std::optional<bool> wish;
    std::size_t entries;
  };
  for (const auto& one :
       {Case{true, std::nullopt, 2}, Case{true, false, 0}, Case{false, std::nullopt, 0}, Case{false, true, 1}}) {
    for (auto& [id, node] : fleet_) scan(with_openssl(node));
    const auto id = carried_out();
    ASSERT_EQ(state(id), "Completed") << why(id);
    RollbackRequest request;
    if (one.whole) request.rollout_id = id;
    else request.instance_ids = {node("dev").id};
    request.requested_by = "operator";
    request.reason = "the shop is slow";
    request.quarantine = one.wish;
    const auto back = rollouts_->roll_back(request);
    ASSERT_TRUE(back.ok()) << back.error().chain();
    pass(20s);
    EXPECT_EQ(state(*back), "RolledBack") << why(*back);
    const auto held = in_quarantine();
    ASSERT_EQ(held.size(), one.entries);
    for (const auto& entry : held) {
      EXPECT_EQ(entry.reason, "rolled back by hand: the shop is slow");
      EXPECT_EQ(entry.added_by, "operator");
      EXPECT_TRUE(one.whole || entry.change_set_id.empty());
      EXPECT_EQ(entry.name, entry.change_set_id.empty() ? "openssl" : "")
          << "of a rollout its set, and what that brought";
    }
    lift_all();
  }
}

// ---- what is told

TEST_F(RolloutMemoryTest, TheReportOfTheEndDoesNotChangeAnyMore) {
  const auto id = carried_out();
  ASSERT_EQ(state(id), "Completed");
  const auto kept = json::to_text(rollouts_->report(id).value());
  EXPECT_FALSE(rollouts_->get(id)->row.report.empty());
  clock_.advance(24h);
  RollbackRequest request;
  request.instance_ids = {node("dev").id};
  request.requested_by = "operator";
  ASSERT_TRUE(rollouts_->roll_back(request).ok());
  pass(10s);
  EXPECT_EQ(json::to_text(rollouts_->report(id).value()), kept);
}

TEST_F(RolloutMemoryTest, WebhooksAndMailGetTheReport) {
  const std::string file =
      "name: x\nnotify: [{webhook: 'https://chat/x'}, {mail: ops@example.org}]\n"
      "rings: [{name: dev, targets: ['tag:Env=dev']}]";
  EXPECT_THAT(refused(file).message(), HasSubstr("belayd --sendmail"));
  rollouts_->set_sends_mail(true);
  node("dev").patch_outcome = patchrun::Outcome::rolled_back;
  const auto id = carried_out(file);
  ASSERT_EQ(state(id), "Halted");
  const auto effects = store_
                           ->write([&](store::Sql& sql) {
                             return store::executions::claim_effects(sql, "test", clock_.now(), Duration(1'000), 10);
                           })
                           .value();
  ASSERT_EQ(effects.size(), 2u);
  const auto webhook = json::decode_text<Webhook>(effects[0].body).value();
  EXPECT_EQ(webhook.url, "https://chat/x");
  const auto body = json::parse(webhook.body).value().as_object();
  EXPECT_EQ(json::text_or_empty(body, "state"), "Halted");
  const auto& report = body.at("report").as_object();
  EXPECT_EQ(json::text_or_empty(report, "RolloutId"), id);
  ASSERT_EQ(report.at("Failures").as_array().size(), 1u) << "of the turn that is told";
  const auto mail = json::decode_text<Mail>(effects[1].body).value();
  EXPECT_EQ(mail.to, std::vector<std::string>{"ops@example.org"});
  EXPECT_EQ(mail.subject, "Belay: x is Halted");
  EXPECT_THAT(mail.text, HasSubstr(node("dev").id + " RolledBack"));
  EXPECT_EQ(mail.document, json::to_text(report));
}

TEST_F(RolloutMemoryTest, ASoakThatCannotSeeSilenceIsWarnedOf) {
  const auto warned = [&](const std::string& soak) {
    const auto made = rollouts_->create(
        {"name: x\nprobes: [{name: u, systemd: newly-failed}]\nrings: [{name: all, targets: ['*'], soak: " + soak +
             "}]",
         false,
         "author",
         {}});
    return made.ok() && !made->warnings.empty() ? made->warnings[0] : "";
  };
  EXPECT_THAT(warned("1m"), HasSubstr("cannot see one die"));
  EXPECT_EQ(warned("6m"), "");
  EXPECT_EQ(warned("0"), "");
}

TEST_F(RolloutMemoryTest, ReversibilityTakesNamesAndFindsTheChangeSet) {
  EXPECT_FALSE(rollouts_->reversibility("dev", "").ok()) << "it takes part in nothing";
  const auto id = create();
  pass(10s);
  const auto told = rollouts_->reversibility("dev", "");
  ASSERT_TRUE(told.ok()) << told.error().chain();
  EXPECT_EQ(told->node_id, node("dev").id);
  EXPECT_EQ(told->change_set_id, rollouts_->get(id)->row.change_set_id);
}

}  // namespace
}  // namespace belay::server
