#include "server/engine/backups.hpp"

#include <gmock/gmock.h>

#include "base/bytes.hpp"
#include "io/crypto.hpp"
#include "server/engine/backup_kind.hpp"
#include "server/engine/rollout_kind.hpp"
#include "server/engine/vault_keys.hpp"
#include "server/engine/windows_fixture_test.hpp"
#include "store/compliance_items.hpp"
#include "store/orders.hpp"
#include "store/settings.hpp"

namespace belay::server {
namespace {
using backup::BackupType;
using backup::JobOutcome;
using backup::PointState;
using backup::Task;
using testing::HasSubstr;
namespace kept = store::backups;

constexpr const char* kPlan = R"yaml(
name: pg
targets: ["tag:Role=db"]
source: {engine: pgbackrest, stanza: main}
schedule: {full: "cron(0 1 ? * SUN *)",
                     incremental : "rate(1 hour)"
}
vault: nas
keep: {last: 3}
objectives: {rpo: 2h, rto: 1h}
prove: {schedule: "cron(0 4 * * ? *)", level: P4, pick: [newest]}
)yaml";

// The same, and nothing begins by itself.
constexpr const char* kByHand = R"yaml(
name: pg
targets: ["tag:Role=db"]
source: {engine: pgbackrest, stanza: main}
vault: nas
keep: {last: 3}
objectives: {rpo: 2h, rto: 1h}
prove: {level: P4, pick: [newest]}
)yaml";

// A repository that does what it is told.
struct FakeRepository {
  Clock& clock;
  std::vector<backup::MadePoint> points;
  std::vector<backup::Job> jobs;
  JobOutcome outcome = JobOutcome::ok;
  backup::ProofLevel proves = backup::ProofLevel::P4;
  std::uint64_t bytes = 1'000'000;
  int made = 0;

  // A job that is done again says what it said: the node keeps its result.
  std::map<std::string, backup::JobReport> done{};
  backup::JobReport work(const backup::Job& job) {
    if (!done.contains(job.job_id)) done[job.job_id] = begin(job);
    return done[job.job_id];
  }
  backup::JobReport begin(const backup::Job& job) {
    jobs.push_back(job);
    backup::JobReport report;
    report.task = job.task;
    report.outcome = outcome;
    if (outcome != JobOutcome::ok) report.why = "the vault is full";
    if (outcome == JobOutcome::failed) return report;
    if (job.task == Task::backup) report.points = {make(job)};
    if (job.task == Task::copy) report.points = job.points;
    if (job.task == Task::list) report.points = points;
    if (job.task == Task::forget)
      for (const auto& point : job.points) {
        report.forgotten.push_back(point.reference);
        std::erase_if(points, [&](const auto& one) { return one.reference == point.reference; });
      }
    if (job.task == Task::prove) {
      for (int level = 0; level <= static_cast<int>(proves); ++level)
        report.evidence.push_back({static_cast<backup::ProofLevel>(level), "looked", true, "well"});
      report.time_to_restore = Duration(660'000);
    }
    return report;
  }
  backup::MadePoint make(const backup::Job& job) {
    backup::MadePoint point;
    point.reference = "label-" + std::to_string(++made);
    point.type = job.type;
    point.begun_at = point.taken_at = clock.now();
    point.bytes_source = bytes;
    point.bytes_added = bytes / 10;
    point.files = 100;
    point.rows = 5'000;
    if (job.type != BackupType::full)
      for (const auto& before : job.chain) point.needs.push_back(before.reference);
    points.push_back(point);
    return point;
  }
  std::size_t count(Task task) const {
    return static_cast<std::size_t>(std::ranges::count(jobs, task, &backup::Job::task));
  }
};

class BackupsTest : public WindowsTest {
 protected:
  BackupsTest() {
    boot_backups();
    add("db-1");
  }
  void boot_backups() {
    boot_windows();
    backups_ = std::make_unique<Backups>(*store_, clock_, *zones_);
    engine_->add(make_backup_kind({authority_, [](std::string_view name) -> Result<std::string> {
                                     return Error(Code::not_found, std::string(name));
                                   }}));
    engine_->add(make_coverage_kind());
  }
  FakeNode& add(const std::string& name) {
    auto& node = add_node(name, "12", {{"Role", "db"}});
    repositories_.emplace(node.id, FakeRepository{clock_, {}, {}});
    node.does_backups = [this, id = node.id](const backup::Job& job) { return repositories_.at(id).work(job); };
    db_ = node.id;
    return node;
  }
  FakeRepository& repository() { return repositories_.at(db_); }
  void given_vault(const std::string& name = "nas", const std::string& more = "") {
    const auto made = backups_->create_vault(
        {"name: " + name + "\nkind: mount\npath: /srv/" + name + "\n" + more, {}, false, "anna"});
    ASSERT_TRUE(made.ok()) << made.error().chain();
  }
  void given_plan(const std::string& content = kByHand) {
    const auto made = backups_->put_plan({PutPlan::create, content, "anna"});
    ASSERT_TRUE(made.ok()) << made.error().chain();
    plan_ = made->plan.plan_id;
  }
  void pass(Duration time, Duration step = Duration(300'000)) {
    for (Duration gone{}; gone < time; gone += step) {
      clock_.advance(step);
      settle();
    }
  }
  std::vector<backup::RecoveryPoint> points(const std::string& vault = "nas") {
    return store_->read([&](store::Sql& sql) { return kept::points_of(sql, plan_, db_, vault); }).value();
  }
  std::vector<kept::Job> jobs(Task task) {
    const kept::JobFilter filter{
        .plan_id = plan_, .node_id = {}, .tasks = {boost::describe::enum_to_string(task, "")}, .states = {}};
    return store_->read([&](store::Sql& sql) { return kept::list_jobs(sql, filter, {100, {}}); })->items;
  }
  kept::Job job(const std::string& id) {
    return store_->read([&](store::Sql& sql) { return kept::get_job(sql, id); }).value();
  }
  std::string run_now() {
    const auto made = backups_->start_runs({.plan = "pg", .node_ids = {}, .type = {}, .requested_by = "anna"});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().chain());
    settle();
    return made.ok() ? made->front() : "";
  }
  std::string prove_now() {
    ProveRequest request;
    request.plan = "pg";
    request.requested_by = "anna";
    const auto made = backups_->start_proofs(request);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().chain());
    settle();
    return made.ok() ? made->front() : "";
  }
  backup::Posture posture() { return backups_->posture("pg", {}).value().at(0).posture; }
  std::string compliance() {
    const auto items =
        store_->read([&](store::Sql& sql) { return store::compliance_items::items(sql, db_, "Custom:Backup"); });
    for (const auto& item : *items)
      if (item.item_id == plan_) return item.status;
    return "none";
  }

  std::unique_ptr<Backups> backups_;
  std::map<std::string, FakeRepository> repositories_;
  std::string db_, plan_;
};

TEST_F(BackupsTest, APlanBacksUpItsNodesByItsSchedule) {
  given_vault();
  given_plan(kPlan);
  pass(Duration(3 * 3'600'000));
  const auto made = points();
  ASSERT_GE(made.size(), 2u);
  EXPECT_EQ(made.back().made.type, BackupType::full);  // there was nothing to build on
  EXPECT_EQ(made.front().made.type, BackupType::incremental);
  EXPECT_FALSE(made.front().made.needs.empty());
  EXPECT_EQ(jobs(Task::backup).front().state, "Succeeded");
}

TEST_F(BackupsTest, ANodeThatComesLaterIsCoveredByItself) {
  given_vault();
  given_plan(kPlan);
  settle();
  const auto first = db_;
  add("db-2");
  pass(Duration(2 * 3'600'000));
  EXPECT_FALSE(points().empty());
  ASSERT_TRUE(store_
                  ->write([&](store::Sql& sql) {
                    const store::tags::Tag web{"Role", "web"};
                    return store::tags::set(sql, store::tags::kManagedInstance, db_, std::span(&web, 1));
                  })
                  .ok());
  pass(Duration(300'000));
  EXPECT_EQ(backups_->get_plan("pg")->node_ids, std::vector<std::string>{first});
  EXPECT_FALSE(points().empty());  // what was made stays
}

TEST_F(BackupsTest, RetentionDeletesByReferenceWhatNothingWantsAnyMore) {
  given_vault();
  given_plan();
  for (int i = 0; i < 8; ++i) {
    pass(Duration(600'000));
    const auto made =
        backups_->start_runs({.plan = "pg", .node_ids = {}, .type = BackupType::full, .requested_by = "anna"});
    ASSERT_TRUE(made.ok());
    settle();
  }
  EXPECT_GE(repository().count(Task::forget), 1u);
  EXPECT_LE(points().size(), 5u);  // three, and what they need
  for (const auto& point : points()) EXPECT_EQ(point.state, PointState::available) << point.point_id;
  EXPECT_EQ(repository().points.size(), points().size());
}

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

TEST_F(BackupsTest, AFailureIsTriedAgainThenAlarmedAndItsEndIsToldToo) {
  given_vault();
  given_plan();
  repository().outcome = JobOutcome::failed;
  run_now();
  pass(Duration(1'800'000));
  EXPECT_EQ(repository().count(Task::backup), 3u);  // and two retries
  const auto member = [&] {
    return store_->read([&](store::Sql& sql) { return kept::get_member(sql, plan_, db_); }).value();
  };
  EXPECT_TRUE(member().progress.alarmed);
  repository().outcome = JobOutcome::ok;
  run_now();
  EXPECT_FALSE(member().progress.alarmed);
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

TEST_F(BackupsTest, ALegalHoldKeepsAPointThatRetentionWouldDelete) {
  given_vault();
  given_plan();
  run_now();
  const auto first = points().front().point_id;
  ASSERT_TRUE(backups_->hold(first, true, "case 4711", "anna").ok());
  for (int i = 0; i < 6; ++i) {
    pass(Duration(600'000));
    ASSERT_TRUE(
        backups_->start_runs({.plan = "pg", .node_ids = {}, .type = BackupType::full, .requested_by = "a"}).ok());
    settle();
  }
  EXPECT_TRUE(std::ranges::any_of(points(), [&](const auto& one) { return one.point_id == first; }));
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
  stranger.reference = "nobody's";
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
  EXPECT_EQ(states["nobody's"], PointState::quarantined);
}

TEST_F(BackupsTest, ANodeThatNeverTakesItsOrderIsToldOf) {
  given_vault();
  given_plan();
  settle();
  fleet_.at(db_).answers = false;
  run_now();
  pass(Duration(25 * 3'600'000LL), Duration(1'800'000));
  const auto ended = jobs(Task::backup);
  EXPECT_TRUE(std::ranges::any_of(ended, [](const auto& one) { return one.state == "Expired"; }));
}

TEST_F(BackupsTest, SecretsAreGivenToTheNodeThatHasTheOpenOrderAndToNobodyElse) {
  given_vault();
  given_plan();
  settle();
  fleet_.at(db_).answers = false;
  const auto id = run_now();
  const auto order = job(id).order_id;
  ASSERT_FALSE(order.empty());
  EXPECT_EQ(backups_->secrets_for(db_, order).error().code(), Code::permission_denied);  // not sent yet
  ASSERT_TRUE(
      store_->write([&](store::Sql& sql) { return store::orders::delivered(sql, std::vector{order}, clock_.now()); })
          .ok());
  const auto reply = backups_->secrets_for(db_, order);
  ASSERT_TRUE(reply.ok()) << reply.error().chain();
  const auto secrets = store_->read([](store::Sql& sql) { return kept::vault_secrets(sql, "nas"); }).value();
  EXPECT_EQ(reply->secrets.at(0).name, "repository.key");
  EXPECT_EQ(reply->secrets.at(0).value, repository_key(secrets.key, plan_, db_));
  EXPECT_EQ(backups_->secrets_for("mi-other", order).error().code(), Code::permission_denied);
  fleet_.at(db_).answers = true;
  settle();
  EXPECT_EQ(backups_->secrets_for(db_, order).error().code(), Code::permission_denied);  // it is over
}

TEST_F(BackupsTest, TheEscrowFileIsPrintedOnceAndOpensTheVault) {
  given_vault();
  given_vault("other");
  const auto file = backups_->escrow("nas", "", "anna");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(backups_->escrow("nas", "", "anna").error().code(), Code::conflict);
  EXPECT_EQ(*backups_->escrow("nas", "the safe burnt", "anna"), *file);
  EXPECT_TRUE(backups_->check_escrow("nas", *file, "anna").ok());
  EXPECT_EQ(backups_->check_escrow("other", *file, "anna").error().code(), Code::invalid_argument);
  auto spoilt = *file;
  const auto at = spoilt.find("key: ") + 5;
  spoilt[at] = spoilt[at] == '0' ? '1' : '0';
  EXPECT_EQ(backups_->check_escrow("nas", spoilt, "anna").error().code(), Code::corrupt);
  EXPECT_EQ(backups_->check_escrow("nas", "hello", "anna").error().code(), Code::invalid_argument);
}

TEST_F(BackupsTest, AVaultStaysWhileAnythingNeedsIt) {
  given_vault();
  given_plan();
  EXPECT_EQ(backups_->remove_vault("nas", "anna").error().code(), Code::conflict);
  run_now();
  ASSERT_TRUE(backups_->set_plan_state("pg", "Retired", "", "anna").ok());
  EXPECT_THAT(backups_->remove_vault("nas", "anna").error().message(), HasSubstr("recovery points"));
  const auto moved = backups_->update_vault({"name: nas\nkind: mount\npath: /srv/elsewhere\n", {}, false, "anna"});
  EXPECT_EQ(moved.error().code(), Code::conflict);
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
  request.to.path = "relative";
  EXPECT_EQ(backups_->start_restore(request).error().code(), Code::invalid_argument);
  request.to.path = "/x";
  request.to.time = points().front().made.taken_at - Duration(1'000);
  EXPECT_THAT(backups_->start_restore(request).error().message(), HasSubstr("before the recovery point"));
}

TEST_F(BackupsTest, KilledAtAnyWriteNothingIsMadeTwiceOrForgotten) {
  given_vault();
  for (int write = 1; write <= 25; ++write)
    for (const bool after : {false, true}) {
      if (!plan_.empty()) ASSERT_TRUE(backups_->set_plan_state("pg", "Retired", "", "anna").ok());
      repository().points.clear();
      given_plan();
      store_->kill_at(write, after);
      std::string id;
      for (int life = 0; life < 3; ++life) {
        try {
          if (id.empty()) {
            const auto made = store_->read([&](store::Sql& sql) {
              return kept::list_jobs(sql, {.plan_id = plan_, .node_id = {}, .tasks = {}, .states = {}}, {5, {}});
            });
            if (made->items.empty()) {
              settle();
              const auto started =
                  backups_->start_runs({.plan = "pg", .node_ids = {}, .type = {}, .requested_by = "anna"});
              if (started.ok()) id = started->front();
            } else id = made->items.front().job.job_id;
          }
          settle();
        } catch (const fakes::Killed&) {
          boot_backups();
          recover();
          clock_.advance(Duration(31'000));
        }
      }
      store_->disarm();
      pass(Duration(120'000), Duration(30'000));
      const auto made = points();
      ASSERT_EQ(made.size(), 1u) << "killed at write " << write << (after ? " after" : " before");
      EXPECT_EQ(repository().points.size(), 1u) << "killed at write " << write;
      EXPECT_EQ(jobs(Task::backup).front().state, "Succeeded");
    }
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

}  // namespace
}  // namespace belay::server
