// What is restored, proven and demanded.
#include "base/bytes.hpp"
#include "io/crypto.hpp"
#include "server/engine/backups_fixture_test.hpp"
#include "server/engine/rollout_kind.hpp"
#include "store/nodes.hpp"
#include "store/settings.hpp"

namespace belay::server {
namespace {

TEST_F(BackupsTest, ARestoreTestIsASignedProof) {
  given_vault();
  given_plan();
  run_now();
  const auto tested = job(prove_now());
  EXPECT_EQ(tested.state, "Succeeded");
  const auto point = points().front();
  EXPECT_EQ(point.proven, backup::ProofLevel::P4);
  const auto proof = store_->read([&](store::Sql& sql) { return kept::get_proof(sql, point.proof_id); }).value();
  EXPECT_TRUE(proof.proof.passed);
  EXPECT_EQ(proof.text, backup::canonical_text(proof.proof));
  EXPECT_TRUE(io::ed25519_verify(authority_.order_public_key, proof.text, *from_base64(proof.signature)));
  EXPECT_THAT(posture().sentence, HasSubstr("within 11 minutes"));
  EXPECT_EQ(posture().verdict, backup::Verdict::COMPLIANT) << testing::PrintToString(posture().reasons);
  EXPECT_EQ(compliance(), "COMPLIANT");
}

TEST_F(BackupsTest, ATestThatFailsTakesThePointOutOfTheCount) {
  given_vault();
  given_plan();
  run_now();
  db_ = fleet_.begin()->first;
  fleet_.at(db_).does_backups = [](const backup::Job& job) {
    backup::JobReport report;
    report.task = job.task;
    report.outcome = JobOutcome::failed;
    report.evidence = {{backup::ProofLevel::P0, "said ok", true, ""},
                       {backup::ProofLevel::P1, "chain", true, ""},
                       {backup::ProofLevel::P2, "bytes", false, "a checksum of pg_data/1259 is wrong"}};
    return report;
  };
  EXPECT_EQ(job(prove_now()).state, "Failed");
  const auto point = points().front();
  EXPECT_EQ(point.state, PointState::damaged);
  EXPECT_THAT(point.why.at(0), HasSubstr("1259"));
  EXPECT_EQ(posture().verdict, backup::Verdict::NON_COMPLIANT);
  EXPECT_EQ(compliance(), "NON_COMPLIANT");
}

TEST_F(BackupsTest, ATestThatCouldNotBeDoneBlamesNoPoint) {
  given_vault();
  given_plan();
  run_now();
  repository().outcome = JobOutcome::failed;
  EXPECT_EQ(job(prove_now()).state, "Failed");
  EXPECT_EQ(points().front().state, PointState::available);
  EXPECT_FALSE(points().front().proven);
}

TEST_F(BackupsTest, ABackupThatCollapsesIsSuspectUntilSomebodyAcceptsIt) {
  given_vault();
  given_plan();
  for (int i = 0; i < 3; ++i) pass(Duration(600'000)), run_now();
  repository().bytes = 0;
  run_now();
  const auto point = points().front();
  EXPECT_EQ(point.state, PointState::suspect) << testing::PrintToString(point.why);
  ASSERT_TRUE(backups_->accept(point.point_id, "the table was dropped on purpose", "anna").ok());
  EXPECT_EQ(points().front().state, PointState::available);
  EXPECT_FALSE(backups_->accept(point.point_id, "again", "anna").ok());
}

TEST_F(BackupsTest, EveryPointIsCopiedIntoTheOtherVault) {
  given_vault();
  given_vault("offsite", "offsite: true\nsite: other\n");
  given_plan(std::string(kByHand) + "copies: [{vault: offsite, keep: {last: 5}}]\n");
  run_now();
  pass(Duration(120'000), Duration(60'000));
  const auto copies = points("offsite");
  ASSERT_EQ(copies.size(), 1u);
  EXPECT_EQ(copies[0].copy_of, points().back().point_id);
}

TEST_F(BackupsTest, WhatWentBehindOurBackIsToldAndAStrangerIsKeptApart) {
  given_vault();
  given_plan();
  run_now();
  auto stranger = repository().points.front();
  stranger.reference = "nobodys";
  repository().points = {stranger};
  ASSERT_TRUE(store_
                  ->write([&](store::Sql& sql) -> Status {
                    const auto plan = kept::get_plan(sql, plan_);
                    auto wanted = job_for(sql, *plan, db_, Task::list);
                    return want_job(sql, *wanted, "anna", "by hand", clock_.now()).ok()
                               ? Status()
                               : Status(Error(Code::internal, ""));
                  })
                  .ok());
  settle();
  std::map<std::string, PointState> states;
  for (const auto& point : points()) states[point.made.reference] = point.state;
  EXPECT_EQ(states["label-1"], PointState::damaged);
  EXPECT_EQ(states["nobodys"], PointState::quarantined);
}

TEST_F(BackupsTest, ARetiredPlanStillRestores) {
  given_vault();
  given_plan();
  run_now();
  ASSERT_TRUE(backups_->set_plan_state("pg", "Retired", "", "anna").ok());
  settle();
  RestoreRequest request;
  request.point_id = points().front().point_id;
  request.to.path = "/srv/restore";
  request.requested_by = "anna";
  const auto made = backups_->start_restore(request);
  ASSERT_TRUE(made.ok()) << made.error().chain();
  settle();
  EXPECT_EQ(job(*made).state, "Succeeded");
  EXPECT_EQ(repository().jobs.back().restore->path, "/srv/restore");
  const auto count = repository().count(Task::backup);
  pass(Duration(7'200'000));
  EXPECT_EQ(repository().count(Task::backup), count);
}

TEST_F(BackupsTest, ARestoreThatReplacesIsConfirmedByThePointsId) {
  given_vault();
  given_plan();
  run_now();
  RestoreRequest request;
  request.point_id = points().front().point_id;
  request.to.in_place = true;
  EXPECT_THAT(backups_->start_restore(request).error().message(), HasSubstr("confirm"));
  request.confirm = request.point_id;
  EXPECT_TRUE(backups_->start_restore(request).ok());
  request = {};
  request.point_id = points().front().point_id;
  for (const char* path : {"relative", "/srv/../etc", "/./x"}) {
    request.to.path = path;
    EXPECT_EQ(backups_->start_restore(request).error().code(), Code::invalid_argument) << path;
  }
  request.to.path = "/srv/restore";
  for (const char* path : {"etc/nginx", "/../etc", "/etc/..", "/", ""}) {
    request.to.paths = {"/etc/nginx", path};
    EXPECT_THAT(backups_->start_restore(request).error().message(), HasSubstr("not an absolute path")) << path;
  }
  request.to.paths.clear();
  request.to.path = "/x";
  request.to.time = points().front().made.taken_at - Duration(1'000);
  EXPECT_THAT(backups_->start_restore(request).error().message(), HasSubstr("before the recovery point"));
}

TEST_F(BackupsTest, ANodeThatThePlanDoesNotCoverRestoresAndTestsItsPoints) {
  given_vault();
  given_plan();
  run_now();
  const auto point = points().front();
  auto& other = add_node("spare", "12", {{"Role", "spare"}});
  std::vector<backup::Job> done;
  other.does_backups = [&](const backup::Job& job) {
    if (done.empty() || done.back().job_id != job.job_id) done.push_back(job);
    return FakeRepository{clock_, {}, {}}.begin(job);
  };
  RestoreRequest request;
  request.point_id = point.point_id;
  request.node_id = other.id;
  request.to.path = "/srv/restore";
  const auto restore = backups_->start_restore(request);
  ASSERT_TRUE(restore.ok()) << restore.error().chain();
  settle();
  EXPECT_EQ(job(*restore).state, "Succeeded");
  ProveRequest test;
  test.point_id = point.point_id;
  test.node_ids = {other.id};
  const auto tests = backups_->start_proofs(test);
  ASSERT_TRUE(tests.ok()) << tests.error().chain();
  settle();
  EXPECT_EQ(job(tests->front()).state, "Succeeded");
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[0].source_node_id, point.node_id);
  EXPECT_EQ(points().front().proven, backup::ProofLevel::P4);
  EXPECT_EQ(backups_->get_plan("pg")->node_ids, std::vector<std::string>{db_});
  pass(Duration(3'600'000));
  EXPECT_EQ(done.size(), 2u) << "a guest is given nothing by itself";
}

TEST_F(BackupsTest, WhatAPlanCannotProveIsRefused) {
  given_vault();
  given_plan();
  run_now();
  ProveRequest request;
  request.plan = "pg";
  request.level = backup::ProofLevel::P5;
  EXPECT_THAT(backups_->start_proofs(request).error().message(), HasSubstr("no prove.checks"));
  request.level.reset();
  request.target = clock_.now() + Duration(60'000);
  EXPECT_THAT(backups_->start_proofs(request).error().message(), HasSubstr("lies ahead"));
  request.target = points().front().made.taken_at - Duration(1'000);
  EXPECT_THAT(backups_->start_proofs(request).error().message(), HasSubstr("before the recovery point"));
  request = {};
  request.point_id = points().front().point_id;
  request.offsite = true;
  EXPECT_THAT(backups_->start_proofs(request).error().message(), HasSubstr("not offsite"));
  EXPECT_EQ(repository().count(Task::prove), 0u);
}

// ---- the gate of a rollout
class BackupGateTest : public BackupsTest {
 protected:
  BackupGateTest() {
    rollouts_ = std::make_unique<Rollouts>(*store_, clock_, authority_, *judge_, *change_sets_, *windows_);
    engine_->add(make_rollout_kind({authority_, *judge_, *windows_}));
    scan(with_openssl(fleet_.at(db_)));
  }
  std::string start(const std::string& proof) {
    const auto made = rollouts_->create({"name: october\napprovals: 0\nprotect: {class: R1, proof: " + proof +
                                             "}\nrings:\n  - {name: db, targets: [\"tag:Role=db\"]}\n",
                                         true,
                                         "author",
                                         {}});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().chain());
    return made.ok() ? made->row.rollout_id : "";
  }
  void approvals_are_not_wanted() {
    ASSERT_TRUE(store_
                    ->write([](store::Sql& sql) {
                      return store::settings::set(sql, "rollout.approvals-least", "0", Instant{});
                    })
                    .ok());
  }
  std::unique_ptr<Rollouts> rollouts_;
};

TEST_F(BackupGateTest, ARolloutWithoutAProofIsHeldMakesOneAndGoesOn) {
  approvals_are_not_wanted();
  given_vault();
  given_plan();
  settle();
  const auto id = start("{level: P4, provenWithin: 7d, pointWithin: 24h, rto: 1h}");
  pass(Duration(600'000), Duration(5'000));
  EXPECT_EQ(rollouts_->get(id)->row.state, "Completed") << rollouts_->get(id)->row.why;
  EXPECT_EQ(repository().count(Task::backup), 1u);
  EXPECT_EQ(repository().count(Task::prove), 1u);
  const auto& orders = fleet_.at(db_).done;
  const auto patch = std::ranges::find(orders, wire::OrderKind::patch, &wire::Order::kind);
  ASSERT_NE(patch, orders.end());
  ASSERT_EQ(patch->patch->protection.proofs.size(), 1u);
  EXPECT_THAT(patch->patch->protection.proofs[0], HasSubstr(points().front().proof_id));
}

TEST_F(BackupGateTest, ANodeThatNoPlanCoversIsHeld) {
  approvals_are_not_wanted();
  const auto id = start("{level: P3, provenWithin: 7d}");
  pass(Duration(120'000), Duration(5'000));
  const auto nodes = rollouts_->nodes(id, {}, {});
  ASSERT_EQ(nodes->items.size(), 1u);
  EXPECT_EQ(nodes->items[0].state, rollout::NodeState::Held);
  EXPECT_THAT(nodes->items[0].row.why, HasSubstr("no backup plan covers"));
  EXPECT_EQ(std::ranges::count(fleet_.at(db_).done, wire::OrderKind::patch, &wire::Order::kind), 0);
}

TEST_F(BackupGateTest, WhoResumesItAfterAPlanWasMadeGetsAProofFirst) {
  approvals_are_not_wanted();
  const auto id = start("{level: P4, provenWithin: 7d}");
  pass(Duration(60'000), Duration(5'000));
  ASSERT_EQ(rollouts_->nodes(id, {}, {})->items[0].state, rollout::NodeState::Held);
  given_vault();
  given_plan();
  ASSERT_TRUE(rollouts_->resume(id, true, "anna").ok());
  pass(Duration(300'000), Duration(5'000));
  EXPECT_EQ(rollouts_->nodes(id, {}, {})->items[0].state, rollout::NodeState::Committed);
  EXPECT_EQ(repository().count(Task::prove), 1u);
}

TEST_F(BackupGateTest, WhatCannotBeProvenIsNotPatched) {
  approvals_are_not_wanted();
  given_vault();
  given_plan();
  settle();
  repository().proves = backup::ProofLevel::P2;
  const auto id = start("{level: P4, provenWithin: 7d}");
  pass(Duration(3'600'000), Duration(30'000));
  EXPECT_EQ(rollouts_->nodes(id, {}, {})->items[0].state, rollout::NodeState::Held);
  EXPECT_EQ(std::ranges::count(fleet_.at(db_).done, wire::OrderKind::patch, &wire::Order::kind), 0);
}

// ---- databases that no plan covers, or one of another kind
class BackupGateOfDatabasesTest : public BackupGateTest {
 protected:
  void runs(std::vector<std::string> units) {
    ASSERT_TRUE(store_
                    ->write([&](store::Sql& sql) -> Status {
                      auto facts = store::nodes::get(sql, db_)->facts;
                      facts.services.clear();
                      for (auto& unit : units) facts.services.push_back({.name = std::move(unit), .active = "active"});
                      return store::nodes::set_facts(sql, db_, facts, "debian-12", "1.0");
                    })
                    .ok());
  }
  NodeProvable provable(backup::ProofLevel level = backup::ProofLevel::P3) {
    backup::Demand demand;
    demand.level = level;
    demand.proven_within = Duration(7LL * 24 * 3'600'000);
    return store_->read([&](store::Sql& sql) { return provable_of(sql, db_, demand, clock_.now()); }).value();
  }
  void prove(const std::string& plan) {
    ASSERT_TRUE(backups_->start_runs({.plan = plan, .node_ids = {}, .type = {}, .requested_by = "anna"}).ok());
    settle();
    ProveRequest request;
    request.plan = plan;
    ASSERT_TRUE(backups_->start_proofs(request).ok());
    settle();
    clock_.advance(Duration(60'000));
  }
};

constexpr const char* kFiles =
    "name: etc\ntargets: [\"tag:Role=db\"]\nsource: {engine: restic, paths: [/etc]}\nvault: nas\nkeep: {last: 3}\n"
    "prove: {level: P3}\n";
constexpr const char* kVolume =
    "name: volume\ntargets: [\"tag:Role=db\"]\nsource: {engine: snapshot, paths: [/srv]}\nvault: nas\n"
    "keep: {last: 3}\nprove: {level: P3}\n";

TEST_F(BackupGateOfDatabasesTest, AProofOfFilesDoesNotStandForADatabase) {
  given_vault();
  given_plan(kFiles);
  prove("etc");
  EXPECT_TRUE(provable().provable.holds) << "no database runs here";
  runs({"postgresql@15-main.service"});
  const auto found = provable();
  EXPECT_FALSE(found.provable.holds);
  ASSERT_FALSE(found.provable.reasons.empty());
  EXPECT_THAT(found.provable.reasons[0], HasSubstr("postgresql runs here, and no backup plan covers it"));
  EXPECT_FALSE(found.provable.needs_backup || found.provable.needs_proof) << "no job would mend it";
}

TEST_F(BackupGateOfDatabasesTest, EveryDatabaseOfTheNodeIsAskedFor) {
  given_vault();
  given_plan();
  prove("pg");
  runs({"postgresql@15-main.service"});
  EXPECT_TRUE(provable().provable.holds);
  runs({"postgresql@15-main.service", "mariadb.service"});
  EXPECT_FALSE(provable().provable.holds);
  EXPECT_THAT(provable().provable.reasons.at(0), HasSubstr("mariadb runs here"));
}

TEST_F(BackupGateOfDatabasesTest, AVolumeWithTheDatabaseInItIsProvenItself) {
  given_vault();
  given_plan(kFiles);
  given_plan(kVolume);
  runs({"postgresql@15-main.service"});
  prove("etc");
  EXPECT_FALSE(provable().provable.holds) << "the plan that covers the database is not proven";
  EXPECT_THAT(provable().provable.reasons.at(0), HasSubstr("volume"));
  prove("volume");
  EXPECT_TRUE(provable().provable.holds) << testing::PrintToString(provable().provable.reasons);
}

TEST_F(BackupGateOfDatabasesTest, ARolloutIsHeldThere) {
  approvals_are_not_wanted();
  given_vault();
  given_plan(kFiles);
  prove("etc");
  runs({"postgresql@15-main.service"});
  const auto id = start("{level: P3, provenWithin: 7d}");
  pass(Duration(120'000), Duration(5'000));
  EXPECT_EQ(rollouts_->nodes(id, {}, {})->items.at(0).state, rollout::NodeState::Held);
  EXPECT_EQ(std::ranges::count(fleet_.at(db_).done, wire::OrderKind::patch, &wire::Order::kind), 0);
}

}  // namespace
}  // namespace belay::server
