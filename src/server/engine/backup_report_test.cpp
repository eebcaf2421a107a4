#include "server/engine/backup_report.hpp"

#include "server/engine/backups_fixture_test.hpp"

namespace belay::server {
namespace {

class BackupReportTest : public BackupsTest {
 protected:
  PlanReport report(Duration back = Duration(30LL * 24 * 3600 * 1000), Duration until = {}) {
    const Instant to = clock_.now() - until;
    auto made = backups_->report({"pg", {}, to - back, to}, {10, {}});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().chain());
    return made.ok() ? std::move(*made) : PlanReport();
  }
  static std::string text(const json::Value& value, std::string_view member) {
    return json::text_or_empty(value, member);
  }
};

TEST(Trend, IsByTheMediansOfItsHalves) {
  EXPECT_EQ(trend_of({}), "unknown");
  EXPECT_EQ(trend_of({9, 1, 1}), "unknown");
  EXPECT_EQ(trend_of({100, 100, 101, 99}), "steady");
  EXPECT_EQ(trend_of({200, 210, 100, 100}), "longer");
  EXPECT_EQ(trend_of({50, 60, 100, 100}), "shorter");
}

TEST_F(BackupReportTest, SaysWhatThereIsWhatWasProvenAndHowAFailureWasMended) {
  given_vault("nas", "site: dc1\nlock: {mode: governance, days: 2}\n");
  std::string plan = kByHand;
  plan.replace(plan.find("last: 3"), 7, "daily: 7");
  given_plan(plan);
  run_now();
  pass(Duration(600'000));
  repository().outcome = JobOutcome::failed;
  const auto failed = run_now();
  repository().outcome = JobOutcome::ok;
  pass(Duration(600'000));
  prove_now();
  const auto whole = report();
  EXPECT_EQ(text(whole.head, "Plan"), "pg");
  const auto& vault = whole.head.at("Vaults").as_array().at(0);
  EXPECT_EQ(text(vault, "Lock"), "2 days, governance");
  EXPECT_EQ(text(vault, "Keeps"), "7 daily");
  ASSERT_EQ(whole.nodes.size(), 1u);
  const auto& node = whole.nodes[0].as_object();
  EXPECT_EQ(text(node, "Name"), "db-1");
  EXPECT_EQ(text(node, "Verdict"), "COMPLIANT") << json::to_text(node);
  const auto& objectives = node.at("Objectives").as_object();
  EXPECT_EQ(objectives.at("RtoMet"), true);
  EXPECT_EQ(objectives.at("RestoreSeconds"), 660);
  ASSERT_EQ(node.at("Proofs").as_array().size(), 1u);
  EXPECT_EQ(text(node.at("Proofs").as_array()[0], "Level"), "P4");
  EXPECT_EQ(node.at("Proofs").as_array()[0].at("Signed"), true);
  const auto& points = node.at("Points").as_array();
  ASSERT_EQ(points.size(), 2u);
  EXPECT_THAT(text(points[0], "Chain"), HasSubstr("whole, on 1 others"));
  EXPECT_NE(text(points[0], "LockedUntil"), "");
  const auto& failures = node.at("Failures").as_array();
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_EQ(text(failures[0], "JobId"), failed);
  EXPECT_THAT(text(failures[0], "Why"), HasSubstr("the vault is full"));
  EXPECT_THAT(text(failures[0], "MendedBy"), HasSubstr("bj-"));
  EXPECT_EQ(node.at("PointsMade"), 2);
}

TEST_F(BackupReportTest, IsOfItsPeriod) {
  given_vault();
  given_plan();
  repository().outcome = JobOutcome::failed;
  run_now();
  pass(Duration(1'800'000));
  ASSERT_EQ(report().nodes[0].at("Failures").as_array().size(), 3u);
  EXPECT_EQ(text(report().nodes[0].at("Failures").as_array()[0], "MendedBy"), "not yet");
  EXPECT_EQ(report().nodes[0].at("Alarms").as_array().size(), 1u);
  pass(Duration(3 * 3'600'000));
  EXPECT_TRUE(report(Duration(3'600'000)).nodes[0].at("Failures").as_array().empty());
  EXPECT_TRUE(report(Duration(3'600'000), Duration(24 * 3'600'000)).nodes[0].at("Failures").as_array().empty());
}

TEST_F(BackupReportTest, ASuspectPointStaysInItAfterSomebodyAcceptedIt) {
  given_vault();
  given_plan();
  run_now();
  repository().bytes = 0;
  run_now();
  const auto suspicious = [&] { return report().nodes[0].at("SuspiciousPoints").as_array(); };
  ASSERT_EQ(suspicious().size(), 1u);
  EXPECT_EQ(text(suspicious()[0], "State"), "suspect");
  ASSERT_TRUE(backups_->accept(text(suspicious()[0], "PointId"), "on purpose", "anna").ok());
  ASSERT_EQ(suspicious().size(), 1u);
  EXPECT_THAT(text(suspicious()[0], "Why"), HasSubstr("accepted by anna: on purpose"));
}

TEST_F(BackupReportTest, PagesOfNodesAndOfPosturesAreTheWhole) {
  given_vault();
  for (int i = 2; i <= 5; ++i) add("db-" + std::to_string(i));
  given_plan();
  settle();
  add_node("lonely", "12", {});
  store::Page page{2, {}};
  std::vector<std::string> seen;
  do {
    const auto some = backups_->report({"pg", {}, clock_.now() - Duration(1), clock_.now()}, page);
    ASSERT_TRUE(some.ok());
    ASSERT_LE(some->nodes.size(), 2u);
    for (const auto& node : some->nodes) seen.push_back(text(node, "InstanceId"));
    page.after = some->next;
  } while (!page.after.empty());
  EXPECT_EQ(seen.size(), 5u);
  EXPECT_TRUE(std::ranges::is_sorted(seen));

  auto whole = backups_->posture("", {}, {1'000, {}});
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->next, "");
  std::vector<std::string> all, paged;
  for (const auto& row : whole->items) all.push_back(row.posture.plan_name + row.posture.node_id);
  page = {2, {}};
  do {
    const auto some = backups_->posture("", {}, page);
    ASSERT_TRUE(some.ok()) << some.error().chain();
    ASSERT_LE(some->items.size(), 2u);
    for (const auto& row : some->items) paged.push_back(row.posture.plan_name + row.posture.node_id);
    page.after = some->next;
  } while (!page.after.empty());
  EXPECT_EQ(paged, all);
  EXPECT_GE(all.size(), 5u);
  EXPECT_EQ(backups_->posture("", {}, {2, "x"}).error().code(), Code::invalid_argument);
}

}  // namespace
}  // namespace belay::server
