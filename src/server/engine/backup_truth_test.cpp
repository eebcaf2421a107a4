// What is really in a vault, whom a test may blame, and what a person deletes.
#include "server/engine/backups_fixture_test.hpp"

namespace belay::server {
namespace {
using backup::ProofLevel;

class BackupTruthTest : public BackupsTest {
 protected:
  void given_point() {
    given_vault();
    given_plan();
    run_now();
  }
  // The next jobs of the node say this, as an engine does.
  void node_says(std::function<backup::JobReport(const backup::Job&)> says) {
    fleet_.at(db_).does_backups = std::move(says);
  }
  void node_works() {
    node_says([this](const backup::Job& job) { return repository().work(job); });
  }
  static std::function<backup::JobReport(const backup::Job&)> test_says(std::vector<backup::Evidence> evidence,
                                                                        const std::string& why) {
    return [=](const backup::Job& job) {
      backup::JobReport report;
      report.task = job.task;
      report.outcome = JobOutcome::failed;
      report.why = why;
      report.evidence = evidence;
      return report;
    };
  }
  static backup::JobReport repository_gone(const backup::Job& job) {
    backup::JobReport report;
    report.task = job.task;
    report.outcome = JobOutcome::failed;
    report.why = "the repository is gone";
    report.problems.emplace_back().subject = "repository-gone";
    return report;
  }
  void run_full() {
    pass(Duration(600'000));
    RunRequest request;
    request.plan = "pg";
    request.type = BackupType::full;
    ASSERT_TRUE(backups_->start_runs(request).ok());
    settle();
  }
  std::string prove(const std::string& point, ProofLevel level) {
    pass(Duration(60'000), Duration(60'000));
    repository().proves = level;
    ProveRequest request;
    request.point_id = point;
    request.level = level;
    const auto made = backups_->start_proofs(request);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().chain());
    settle();
    return made.ok() ? made->front() : "";
  }
  kept::Job checked() {
    const auto made = backups_->check_vault("nas", "", "anna");
    EXPECT_TRUE(made.ok()) << made.error().chain();
    settle();
    return job(made->back());
  }
  Status remove(const std::string& point, bool last_proven = false, bool confirmed = true) {
    const auto done = backups_->remove_point({.point_id = point,
                                              .confirm = confirmed ? point : "",
                                              .last_proven = last_proven,
                                              .reason = "it is broken",
                                              .requested_by = "anna"});
    settle();
    return done.ok() ? Status() : Status(done.error());
  }
};

TEST_F(BackupTruthTest, ATestThatLookedAtNothingBlamesNobodyAndTakesNoProofAway) {
  given_point();
  ASSERT_EQ(job(prove_now()).state, "Succeeded");
  const auto proof = points().front().proof_id;
  const std::vector<backup::Evidence> cases[] = {
      {{ProofLevel::P0, "repository", true, "has it"}, {ProofLevel::P3, "room", false, "needs 67 MiB", false}},
      {{ProofLevel::P0, "repository", false, "is away", false}},
      {},
  };
  for (const auto& evidence : cases) {
    node_says(test_says(evidence, "needs 67 MiB"));
    const auto tested = job(prove_now());
    EXPECT_EQ(tested.state, "Failed");
    EXPECT_EQ(tested.why, "could not be done: needs 67 MiB");
    const auto point = points().front();
    EXPECT_EQ(point.state, PointState::available);
    EXPECT_EQ(point.proof_id, proof);
    EXPECT_EQ(posture().proven, ProofLevel::P4);
  }
}

TEST_F(BackupTruthTest, APassedTestClearsWhatALesserOneFound) {
  given_point();
  node_says(test_says({{ProofLevel::P0, "a", true, ""},
                       {ProofLevel::P1, "b", true, ""},
                       {ProofLevel::P2, "bytes", false, "a checksum is wrong"}},
                      "a checksum is wrong"));
  job(prove_now());
  ASSERT_EQ(points().front().state, PointState::damaged);
  node_works();
  ProveRequest request;
  request.point_id = points().front().point_id;
  request.level = ProofLevel::P1;
  repository().proves = ProofLevel::P1;
  ASSERT_TRUE(backups_->start_proofs(request).ok());
  settle();
  EXPECT_EQ(points().front().state, PointState::damaged) << "a test that did not come so far says nothing of it";
  request.level = ProofLevel::P4;
  repository().proves = ProofLevel::P4;
  ASSERT_TRUE(backups_->start_proofs(request).ok());
  settle();
  EXPECT_EQ(points().front().state, PointState::available) << testing::PrintToString(points().front().why);
  EXPECT_EQ(posture().verdict, backup::Verdict::COMPLIANT) << testing::PrintToString(posture().reasons);
}

TEST_F(BackupTruthTest, ALowerTestTakesNothingFromWhatWasRestoredAndRetentionKeepsIt) {
  given_vault();
  std::string plan = kByHand;
  plan.replace(plan.find("last: 3"), 7, "last: 1");
  given_plan(plan);
  run_full();
  const auto restored = points().front().point_id;
  ASSERT_EQ(job(prove(restored, ProofLevel::P4)).state, "Succeeded");
  const auto proof = points().front().proof_id;
  ASSERT_EQ(job(prove(restored, ProofLevel::P1)).state, "Succeeded");
  EXPECT_EQ(points().front().proven, ProofLevel::P4);
  EXPECT_EQ(points().front().proof_id, proof);
  run_full();
  const auto newest = points().front().point_id;
  ASSERT_EQ(job(prove(newest, ProofLevel::P1)).state, "Succeeded");
  EXPECT_EQ(repository().count(Task::forget), 0u) << "the last one that was restored stays";
  ASSERT_EQ(points().size(), 2u);
  EXPECT_EQ(points().back().state, PointState::available);
  EXPECT_EQ(posture().proof_id, proof);
  ASSERT_EQ(job(prove(newest, ProofLevel::P4)).state, "Succeeded");
  EXPECT_EQ(points().size(), 1u) << "now it is needed no more";
}

TEST_F(BackupTruthTest, AcceptingAPointGivesBackNoProofThatATestTookAway) {
  given_vault();
  std::string plan = kByHand;
  plan.replace(plan.find("last: 3"), 7, "last: 1");
  given_plan(plan + "limits: {retries: 0}\n");
  run_full();
  const auto restored = points().front().point_id;
  ASSERT_EQ(job(prove(restored, ProofLevel::P4)).state, "Succeeded");
  const auto proof = points().front().proof_id;
  ASSERT_TRUE(backups_->hold(restored, true, "for the moment", "anna").ok());
  run_full();
  const auto newest = points().front().point_id;
  ASSERT_EQ(job(prove(newest, ProofLevel::P4)).state, "Succeeded");
  node_says(test_says({{ProofLevel::P0, "bytes", false, "wrong"}}, "wrong"));
  prove(newest, ProofLevel::P4);
  node_works();
  ASSERT_EQ(points().front().state, PointState::damaged);
  EXPECT_FALSE(points().front().proven) << "the posture does not count it, either";
  ASSERT_TRUE(backups_->hold(restored, false, "over", "anna").ok());
  ASSERT_TRUE(backups_->accept(newest, "looked at it", "anna").ok());
  run_full();
  EXPECT_TRUE(std::ranges::any_of(points(), [&](const auto& one) {
    return one.point_id == restored && one.state == PointState::available;
  })) << "the only one whose proof counts";
  EXPECT_EQ(posture().proof_id, proof);
}

TEST_F(BackupTruthTest, ADamagedPointIsAcceptedWithAReason) {
  given_point();
  node_says(test_says({{ProofLevel::P0, "bytes", false, "wrong"}}, "wrong"));
  job(prove_now());
  const auto point = points().front();
  ASSERT_EQ(point.state, PointState::damaged);
  ASSERT_TRUE(backups_->accept(point.point_id, "the disk of the test was broken", "anna").ok());
  EXPECT_EQ(points().front().state, PointState::available);
  EXPECT_THAT(points().front().why.back(), HasSubstr("anna"));
}

TEST_F(BackupTruthTest, ANodeIsToldWherePointsAreKnown) {
  given_vault();
  given_vault("offsite", "offsite: true\nsite: other\n");
  given_plan(std::string(kByHand) + "copies: [{vault: offsite, keep: {last: 5}}]\n");
  run_now();
  EXPECT_TRUE(repository().jobs.front().known_in.empty()) << "the first one makes the repository";
  pass(Duration(120'000), Duration(60'000));
  const auto copy = std::ranges::find(repository().jobs, Task::copy, &backup::Job::task);
  ASSERT_NE(copy, repository().jobs.end());
  EXPECT_EQ(copy->known_in, std::vector<std::string>{""});
  EXPECT_TRUE(copy->copy_known_in.empty());
  run_now();
  EXPECT_EQ(repository().jobs.back().known_in, std::vector<std::string>{""});
}

TEST_F(BackupTruthTest, WhatVanishedAndCameBackCountsAgainWithItsProof) {
  given_point();
  ASSERT_EQ(job(prove_now()).state, "Succeeded");
  const auto there = repository().points;
  repository().points.clear();
  const auto listed = checked();
  EXPECT_EQ(listed.state, "Failed");
  EXPECT_THAT(listed.why, HasSubstr("1 points are not in the vault nas any more"));
  EXPECT_EQ(points().front().state, PointState::damaged);
  EXPECT_EQ(posture().verdict, backup::Verdict::NON_COMPLIANT);
  EXPECT_THAT(backups_->accept(points().front().point_id, "x", "anna").error().message(), HasSubstr("bring it back"));
  EXPECT_EQ(checked().state, "Failed") << "it still is not there";
  repository().points = there;
  EXPECT_EQ(checked().state, "Succeeded");
  EXPECT_EQ(points().front().state, PointState::available);
  EXPECT_TRUE(points().front().why.empty());
  EXPECT_EQ(posture().verdict, backup::Verdict::COMPLIANT) << testing::PrintToString(posture().reasons);
  EXPECT_EQ(posture().proven, ProofLevel::P4);
}

TEST_F(BackupTruthTest, WhatATestDamagedIsNotGoodForBeingThere) {
  given_point();
  node_says(test_says({{ProofLevel::P0, "bytes", false, "wrong"}}, "wrong"));
  job(prove_now());
  node_works();
  const auto there = repository().points;
  repository().points.clear();
  checked();
  repository().points = there;
  EXPECT_EQ(checked().state, "Succeeded");
  EXPECT_EQ(points().front().state, PointState::damaged);
}

TEST_F(BackupTruthTest, ARepositoryThatIsGoneTakesItsPointsOutOfTheCount) {
  given_point();
  ASSERT_EQ(job(prove_now()).state, "Succeeded");
  node_says(repository_gone);
  run_now();
  EXPECT_EQ(points().front().state, PointState::damaged);
  EXPECT_TRUE(points().front().missing_from.has_value());
  EXPECT_EQ(posture().verdict, backup::Verdict::NON_COMPLIANT);
  EXPECT_FALSE(posture().recoverable_to);
  node_works();
  EXPECT_EQ(checked().state, "Succeeded");
  EXPECT_EQ(points().front().state, PointState::available);
  EXPECT_EQ(posture().verdict, backup::Verdict::COMPLIANT) << testing::PrintToString(posture().reasons);
}

TEST_F(BackupTruthTest, EachRepositoryIsListedOnceADay) {
  given_point();
  pass(Duration(23LL * 3'600'000), Duration(3'600'000));
  EXPECT_EQ(repository().count(Task::list), 0u);
  repository().points.clear();
  pass(Duration(3LL * 3'600'000), Duration(3'600'000));
  EXPECT_EQ(repository().count(Task::list), 1u);
  EXPECT_EQ(points().front().state, PointState::damaged);
  pass(Duration(24LL * 3'600'000), Duration(3'600'000));
  EXPECT_EQ(repository().count(Task::list), 2u);
}

TEST_F(BackupTruthTest, WhatAJobLeftThatDidNotGoWellCountsForNothing) {
  given_vault();
  given_plan(std::string(kByHand) + "limits: {retries: 0}\n");
  run_now();
  for (const auto outcome : {JobOutcome::failed, JobOutcome::unknown, JobOutcome::partial}) {
    node_says([&](const backup::Job& job) {
      auto report = repository().work(job);
      report.outcome = outcome;
      report.why = "the archive check failed";
      return report;
    });
    run_full();
    const auto left = points().front();
    EXPECT_EQ(left.state, PointState::suspect) << static_cast<int>(outcome);
    ASSERT_FALSE(left.why.empty());
    EXPECT_THAT(left.why.front(), HasSubstr("the archive check failed"));
  }
  EXPECT_EQ(points().size(), 4u) << "and is kept for somebody to look at";
}

TEST_F(BackupTruthTest, ACopyThatDidNotGoWellIsNoneAndIsMadeAgain) {
  given_vault();
  given_vault("offsite", "offsite: true\nsite: other\n");
  given_plan(std::string(kByHand) + "copies: [{vault: offsite, keep: {last: 5}}]\n");
  bool fails = true;
  node_says([&](const backup::Job& job) {
    auto report = repository().work(job);
    if (job.task == Task::copy && fails) report.outcome = JobOutcome::failed, report.why = "half of it";
    return report;
  });
  run_now();
  pass(Duration(120'000), Duration(60'000));
  ASSERT_EQ(points("offsite").size(), 1u);
  EXPECT_EQ(points("offsite").front().state, PointState::suspect);
  EXPECT_THAT(points("offsite").front().why.front(), HasSubstr("half of it"));
  const auto tried = repository().count(Task::copy);
  fails = false;
  pass(Duration(4LL * 3'600'000), Duration(600'000));
  EXPECT_GT(repository().count(Task::copy), tried);
  ASSERT_EQ(points("offsite").size(), 1u);
  EXPECT_EQ(points("offsite").front().state, PointState::available);
  EXPECT_TRUE(points("offsite").front().why.empty());
}

TEST_F(BackupTruthTest, OnlyTheDriveThatWasLookedAtIsJudged) {
  given_point();
  std::string drive = "A";
  node_says([&](const backup::Job& job) {
    auto report = repository().work(job);
    report.drive = drive;
    for (auto& point : report.points) point.drive = drive;
    if (job.task == Task::list)
      std::erase_if(report.points, [&](const auto& point) { return (point.reference == "label-3") != (drive == "B"); });
    return report;
  });
  run_now();  // label-2 on A
  drive = "B";
  run_now();  // label-3 on B
  EXPECT_EQ(checked().state, "Succeeded");
  for (const auto& point : points())
    EXPECT_EQ(point.state, PointState::available) << point.made.reference << " " << point.made.drive;
  EXPECT_EQ(repository().jobs.back().known_in, (std::vector<std::string>{"", "A", "B"}));
}

TEST_F(BackupTruthTest, APersonDeletesAPoint) {
  given_point();
  pass(Duration(600'000));
  RunRequest again;
  again.plan = "pg";
  again.type = BackupType::full;
  ASSERT_TRUE(backups_->start_runs(again).ok());
  settle();
  ASSERT_EQ(points().size(), 2u);
  const auto newest = points().front().point_id, oldest = points().back().point_id;
  EXPECT_THAT(remove(oldest, false, false).error().message(), HasSubstr("confirm it"));
  ASSERT_TRUE(backups_->hold(oldest, true, "a lawyer wants it", "anna").ok());
  EXPECT_THAT(remove(oldest).error().message(), HasSubstr("legal hold"));
  ASSERT_TRUE(backups_->hold(oldest, false, "over", "anna").ok());
  ASSERT_EQ(job(prove_now()).state, "Succeeded");
  EXPECT_THAT(remove(newest).error().message(), HasSubstr("the last one that a restore test restored"));
  ASSERT_TRUE(remove(oldest).ok());
  ASSERT_EQ(points().size(), 1u);
  EXPECT_EQ(points().front().point_id, newest);
  EXPECT_EQ(repository().jobs.back().task, Task::forget);
  EXPECT_EQ(repository().points.size(), 1u);
  ASSERT_TRUE(remove(newest, true).ok());
  EXPECT_TRUE(points().empty());
  EXPECT_THAT(remove(newest, true).error().message(), HasSubstr("deleted already"));
}

TEST_F(BackupTruthTest, TheLastRestoredIsNotDeletedForAnotherThatAnEngineCalledGood) {
  given_point();
  const auto oldest = points().back().point_id;
  ASSERT_EQ(job(prove(oldest, ProofLevel::P4)).state, "Succeeded");
  run_full();
  const auto newest = points().front().point_id;
  ASSERT_NE(newest, oldest);
  ASSERT_EQ(job(prove(newest, ProofLevel::P0)).state, "Succeeded");
  EXPECT_THAT(remove(oldest).error().message(), HasSubstr("the last one that a restore test restored"));
  ASSERT_EQ(job(prove(newest, ProofLevel::P3)).state, "Succeeded");
  EXPECT_TRUE(remove(oldest).ok());
}

TEST_F(BackupTruthTest, WhatOthersBuildOnStaysAndWhatIsMissingIsForgottenAtOnce) {
  given_vault();
  given_plan(std::string(kByHand));
  run_now();
  RunRequest request;
  request.plan = "pg";
  request.type = BackupType::incremental;
  ASSERT_TRUE(backups_->start_runs(request).ok());
  settle();
  ASSERT_EQ(points().size(), 2u);
  const auto full = points().back().point_id;
  EXPECT_THAT(remove(full).error().message(), HasSubstr("others build on"));
  node_says(repository_gone);
  checked();
  const auto jobs = repository().jobs.size();
  ASSERT_TRUE(remove(full).ok());
  ASSERT_TRUE(remove(points().front().point_id).ok());
  EXPECT_TRUE(points().empty());
  EXPECT_EQ(repository().jobs.size(), jobs) << "there was nothing to delete";
  node_works();
  run_now();
  EXPECT_TRUE(repository().jobs.back().known_in.empty()) << "a new repository may be made now";
}

TEST_F(BackupTruthTest, ANodeMarksAsGoneOnlyWhatWasOrdered) {
  given_vault();
  std::string plan = kByHand;
  plan.replace(plan.find("last: 3"), 7, "last: 1");
  given_plan(plan);
  run_full();
  const auto held = points().front().point_id;
  ASSERT_TRUE(backups_->hold(held, true, "case 4711", "anna").ok());
  run_full();
  const auto ordered = points().front().point_id;
  node_says([this](const backup::Job& job) {
    auto report = repository().work(job);
    if (job.task == Task::forget)
      for (const auto& point : repository().points) report.forgotten.push_back(point.reference);
    return report;
  });
  run_full();
  const auto newest = points().front().point_id;
  std::vector<std::string> there;
  for (const auto& point : points()) {
    there.push_back(point.point_id);
    EXPECT_EQ(point.state, PointState::available) << "they are there, as the list says";
  }
  EXPECT_EQ(there, (std::vector<std::string>{newest, held})) << ordered;
  ASSERT_EQ(jobs(Task::forget).size(), 1u);
  EXPECT_EQ(jobs(Task::forget).front().state, "Failed");
  EXPECT_THAT(jobs(Task::forget).front().why, HasSubstr(held));
  EXPECT_THAT(jobs(Task::forget).front().why, HasSubstr("nobody ordered"));
  EXPECT_EQ(repository().count(Task::list), 1u);
}

TEST_F(BackupTruthTest, NothingIsReplacedByAPointThatNobodyVouchesFor) {
  given_point();
  auto point = points().front();
  const auto wanted = [&](bool preview, bool untrusted, bool in_place = true) {
    RestoreRequest request;
    request.point_id = request.confirm = point.point_id;
    request.to.in_place = in_place;
    if (!in_place) request.to.path = "/srv/beside";
    request.to.preview = preview;
    request.untrusted = untrusted;
    return backups_->start_restore(request);
  };
  for (const auto state : {PointState::suspect, PointState::quarantined, PointState::damaged}) {
    point.state = state;
    point.why = {"half the usual size"};
    ASSERT_TRUE(store_->write([&](store::Sql& sql) { return kept::update_point(sql, point); }).ok());
    const auto refused = wanted(false, false);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), Code::conflict);
    EXPECT_THAT(refused.error().message(), HasSubstr("half the usual size"));
    EXPECT_TRUE(wanted(true, false).ok()) << "a preview replaces nothing";
    EXPECT_TRUE(wanted(false, false, false).ok()) << "nor does what is put beside";
    EXPECT_TRUE(wanted(false, true).ok()) << "somebody said so";
  }
}

TEST_F(BackupTruthTest, OfARetiredPlanAPersonStillDeletes) {
  given_point();
  ASSERT_TRUE(backups_->set_plan_state("pg", "Retired", "", "anna").ok());
  settle();
  ASSERT_TRUE(remove(points().front().point_id).ok());
  EXPECT_TRUE(points().empty());
}

TEST_F(BackupTruthTest, ALockIsKept) {
  given_vault("nas", "lock: {mode: governance, days: 14}\n");
  std::string plan = kByHand;
  plan.replace(plan.find("last: 3"), 7, "within: 30d");
  given_plan(plan);
  run_now();
  EXPECT_THAT(remove(points().front().point_id).error().message(), HasSubstr("is locked by its vault until"));
}

}  // namespace
}  // namespace belay::server
