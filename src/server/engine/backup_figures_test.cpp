#include "server/engine/backup_figures.hpp"

#include "server/engine/backup_figures_kept.hpp"
#include "server/engine/backups_fixture_test.hpp"

namespace belay::server {
namespace {

class BackupFiguresTest : public BackupsTest {
 protected:
  std::string text() {
    figures_ = std::make_unique<BackupFigures>(*store_, clock_, *zones_);
    return figures_->text();
  }
  std::string line(const std::string& name, const std::string& more = "") {
    return name + "{plan=\"pg\",node=\"" + db_ + "\"" + more + "} ";
  }
  std::unique_ptr<BackupFigures> figures_;
};

TEST_F(BackupFiguresTest, WhatIsNotKnownHasNoSample) {
  given_vault();
  given_plan();
  settle();
  const auto said = text();
  EXPECT_THAT(said, HasSubstr("belay_backup_nodes{plan=\"pg\"} 1\n"));
  EXPECT_THAT(said, HasSubstr(line("belay_backup_points") + "0\n"));
  EXPECT_THAT(said, HasSubstr(line("belay_backup_objective_met", ",objective=\"rpo\"") + "0\n"));
  for (const auto* name : {"point_age_seconds{", "proof_age_seconds{", "proof_level{", "vault_free_bytes{",
                           "vault_reachable{", "runs_total{"})
    EXPECT_EQ(said.find(std::string("belay_backup_") + name), std::string::npos) << name;
}

TEST_F(BackupFiguresTest, AgesRunsAndObjectives) {
  given_vault();
  given_plan();
  run_now();
  prove_now();
  pass(Duration(600'000));
  repository().outcome = JobOutcome::failed;
  run_now();
  backup::WatchReport watch;
  watch.plan_id = plan_;
  watch.at = clock_.now();
  watch.vault_bytes_free = 4711;
  watch.findings = {{"clock-wrong", "by an hour"}, {"made-up-by-a-node", "x"}};
  watch.log_gaps = {{clock_.now() - Duration(60'000), clock_.now()}};
  ASSERT_TRUE(store_->write([&](store::Sql& sql) { return kept::put_watch(sql, db_, watch); }).ok());
  const auto said = text();
  for (const auto& wanted :
       {line("belay_backup_point_age_seconds") + "60", line("belay_backup_proof_age_seconds") + "60",
        line("belay_backup_proof_level") + "4\n", line("belay_backup_points") + "1\n",
        line("belay_backup_log_gaps") + "1\n", line("belay_backup_objective_met", ",objective=\"rpo\"") + "1\n",
        line("belay_backup_objective_met", ",objective=\"rto\"") + "1\n",
        line("belay_backup_runs_total", ",task=\"backup\"") + "2\n",
        line("belay_backup_runs_failed_total", ",task=\"backup\"") + "1\n",
        line("belay_backup_runs_failed_total", ",task=\"proof\"") + "0\n",
        line("belay_backup_last_run_succeeded", ",task=\"backup\"") + "0\n",
        std::string("belay_backup_vault_free_bytes{vault=\"nas\"} 4711\n"),
        std::string("belay_backup_vault_reachable{vault=\"nas\"} 1\n"),
        std::string("belay_backup_findings{plan=\"pg\",finding=\"clock-wrong\"} 1\n"),
        std::string("belay_backup_findings{plan=\"pg\",finding=\"other\"} 1\n"),
        std::string("belay_backup_uncovered_nodes 0\n")})
    EXPECT_THAT(said, HasSubstr(wanted));
  watch.at = clock_.now() + Duration(1);
  watch.findings = {{"vault-away", "/srv/nas is not mounted"}};
  ASSERT_TRUE(store_->write([&](store::Sql& sql) { return kept::put_watch(sql, db_, watch); }).ok());
  EXPECT_THAT(text(), HasSubstr("belay_backup_vault_reachable{vault=\"nas\"} 0\n"));
  pass(Duration(2 * 3'600'000));
  EXPECT_EQ(text().find("vault_reachable{"), std::string::npos) << "nobody looked lately";
}

TEST_F(BackupFiguresTest, AgesGoOnBetweenReads) {
  given_vault();
  given_plan();
  run_now();
  const auto age = [&](const std::string& said) {
    const auto name = line("belay_backup_point_age_seconds");
    return std::stoi(said.substr(said.find(name) + name.size()));
  };
  const int first = age(text());
  clock_.advance(Duration(4'000));
  EXPECT_EQ(age(figures_->text()), first + 4) << "of what was read before";
  run_now();
  clock_.advance(Duration(1'000));
  EXPECT_LT(age(figures_->text()), first + 4) << "read anew: there is a younger point";
}

TEST_F(BackupFiguresTest, WhatIsBeyondTheBoundIsOneSampleOfTheWorst) {
  given_vault();
  given_plan();
  for (int i = 0; i < 3; ++i) add("db-more-" + std::to_string(i));
  const Status put = store_->write([&](store::Sql& sql) -> Status {
    std::vector<kept::Member> members;
    for (std::size_t i = 0; i < kFigureNodesMax + 5; ++i) {
      kept::Member member;
      member.plan_id = plan_;
      member.node_id = member.progress.node_id = "mi-zz" + std::to_string(i);
      member.progress.tallies["backup"] = {.runs = 2, .failed = 1, .state = "Failed", .at = clock_.now()};
      members.push_back(std::move(member));
    }
    return kept::put_members(sql, members);
  });
  ASSERT_TRUE(put.ok());
  const auto said = text();
  EXPECT_THAT(said, HasSubstr("belay_backup_points{plan=\"pg\",node=\"*\"} 0\n"));
  std::size_t samples = 0;
  for (auto at = said.find("\nbelay_backup_points{"); at != std::string::npos;
       at = said.find("\nbelay_backup_points{", at + 1))
    ++samples;
  EXPECT_EQ(samples, kFigureNodesMax + 1);
  EXPECT_THAT(said, HasSubstr("belay_backup_runs_total{plan=\"pg\",node=\"*\",task=\"backup\"} "));
}

}  // namespace
}  // namespace belay::server
