// What is deleted, and what must not be: holds, locks, pauses, restores that still read it.
#include "server/engine/backups_fixture_test.hpp"
#include "store/orders.hpp"

namespace belay::server {
namespace {

inline constexpr const char* kLastOne = R"yaml(
name: pg
targets: ["tag:Role=db"]
source: {engine: pgbackrest, stanza: main}
vault: nas
keep: {last: 1}
prove: {level: P4, pick: [newest]}
)yaml";

class BackupRetentionTest : public BackupsTest {
 protected:
  FakeNode& node() { return fleet_.at(db_); }
  void wanted(std::optional<BackupType> type) {
    const auto made = backups_->start_runs({.plan = "pg", .node_ids = {}, .type = type, .requested_by = "anna"});
    ASSERT_TRUE(made.ok()) << made.error().chain();
  }
  void run(std::optional<BackupType> type) {
    pass(Duration(600'000));
    wanted(type);
    settle();
  }
  // The node does one more job, and takes no order after it until it is told to.
  void falls_silent_after_one_job() {
    node().does_backups = [this](const backup::Job& job) {
      node().answers = false;
      return repository().work(job);
    };
  }
  void answers_again() {
    node().does_backups = [this](const backup::Job& job) { return repository().work(job); };
    node().answers = true;
    pass(Duration(120'000), Duration(30'000));
  }
  // A full, an increment of it, and a newer full that pushes both out; their deletion waits behind another backup.
  std::vector<backup::RecoveryPoint> deletion_waits() {
    run(BackupType::full);
    run(BackupType::incremental);
    pass(Duration(600'000));
    falls_silent_after_one_job();
    wanted(BackupType::full);
    wanted(BackupType::full);
    settle();
    EXPECT_EQ(only_forget().state, "Pending");
    auto all = points();
    EXPECT_EQ(all.size(), 3u);
    EXPECT_EQ(all[1].state, PointState::expiring);
    EXPECT_EQ(all[2].state, PointState::expiring);
    return all;
  }
  // The same, and the node was sent the order.
  std::vector<backup::RecoveryPoint> deletion_is_sent() {
    run(BackupType::full);
    run(BackupType::incremental);
    pass(Duration(600'000));
    falls_silent_after_one_job();
    wanted(BackupType::full);
    settle();
    EXPECT_EQ(only_forget().state, "Sent");
    return points();
  }
  kept::Job only_forget() {
    const auto all = jobs(Task::forget);
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? kept::Job() : job(all[0].job.job_id);
  }
  bool is_there(const std::string& point_id) {
    return std::ranges::any_of(points(), [&](const auto& one) {
      return one.point_id == point_id && one.state == PointState::available &&
             std::ranges::any_of(repository().points,
                                 [&](const auto& made) { return made.reference == one.made.reference; });
    });
  }
  void delivered(const std::string& order_id) {
    ASSERT_TRUE(
        store_
            ->write([&](store::Sql& sql) { return store::orders::delivered(sql, std::vector{order_id}, clock_.now()); })
            .ok());
  }
};

TEST_F(BackupRetentionTest, AHoldCountsWhileTheDeletionWaitsForItsTurnAndItsChainIsKeptToo) {
  given_vault();
  given_plan(kLastOne);
  const auto all = deletion_waits();
  ASSERT_TRUE(backups_->hold(all[1].point_id, true, "case 4711", "anna").ok());
  answers_again();
  EXPECT_TRUE(is_there(all[1].point_id)) << "held";
  EXPECT_TRUE(is_there(all[2].point_id)) << "the held one is built on it";
  EXPECT_FALSE(is_there(all[0].point_id)) << "what nobody held goes all the same";
  EXPECT_EQ(repository().count(Task::list), 1u) << "and it is looked whether an earlier deletion had them";
}

TEST_F(BackupRetentionTest, AHoldCallsTheOrderBackThatNoNodeHasYetAndTheRestIsOrderedAnew) {
  given_vault();
  given_plan(kLastOne);
  const auto all = deletion_is_sent();
  ASSERT_EQ(all.size(), 3u);
  const auto before = only_forget();
  ASSERT_TRUE(backups_->hold(all[2].point_id, true, "case 4711", "anna").ok());
  EXPECT_EQ(job(before.job.job_id).state, "Cancelled");
  answers_again();
  EXPECT_TRUE(is_there(all[2].point_id));
  EXPECT_FALSE(is_there(all[1].point_id)) << "the increment was not held";
  EXPECT_EQ(repository().points.size(), 2u);
}

TEST_F(BackupRetentionTest, AHoldIsRefusedWhereTheNodeHasTheOrder) {
  given_vault();
  given_plan(kLastOne);
  const auto all = deletion_is_sent();
  ASSERT_EQ(all.size(), 3u);
  delivered(only_forget().order_id);
  const auto held = backups_->hold(all[1].point_id, true, "case 4711", "anna");
  ASSERT_FALSE(held.ok()) << "nobody can promise that";
  EXPECT_EQ(held.error().code(), Code::conflict);
  EXPECT_THAT(held.error().message(), HasSubstr(only_forget().job.job_id));
  EXPECT_FALSE(points()[1].legal_hold);
  EXPECT_TRUE(backups_->hold(all[0].point_id, true, "case 4711", "anna").ok()) << "that one is not in it";
}

// A node asks for the keys when it begins, and an order is noted as delivered behind its sending.
TEST_F(BackupRetentionTest, WhoAskedForTheKeysOfADeletionHasItsOrder) {
  given_vault();
  given_plan(kLastOne);
  const auto all = deletion_is_sent();
  ASSERT_EQ(all.size(), 3u);
  ASSERT_TRUE(backups_->secrets_for(db_, only_forget().order_id).ok());
  EXPECT_EQ(backups_->hold(all[1].point_id, true, "case 4711", "anna").error().code(), Code::conflict);
}

TEST_F(BackupRetentionTest, ADeletionThatWasCalledBackGetsNoKeys) {
  given_vault();
  given_plan(kLastOne);
  const auto all = deletion_is_sent();
  const auto order = only_forget().order_id;
  ASSERT_TRUE(backups_->hold(all[1].point_id, true, "case 4711", "anna").ok());
  EXPECT_EQ(backups_->secrets_for(db_, order).error().code(), Code::permission_denied);
}

TEST_F(BackupRetentionTest, LockedPointsAreTakenOutOfADeletionThatIsSent) {
  given_vault();
  given_plan(kLastOne);
  auto all = deletion_waits();
  all[2].locked_until = clock_.now() + Duration(30LL * 24 * 3'600'000);
  ASSERT_TRUE(store_->write([&](store::Sql& sql) { return kept::update_point(sql, all[2]); }).ok());
  answers_again();
  EXPECT_TRUE(is_there(all[2].point_id));
  EXPECT_FALSE(is_there(all[1].point_id));
}

TEST_F(BackupRetentionTest, ARetiredPlanDeletesNothing) {
  given_vault();
  given_plan(kLastOne);
  const auto all = deletion_waits();
  ASSERT_TRUE(backups_->set_plan_state("pg", "Retired", "", "anna").ok());
  answers_again();
  for (const auto& point : all) EXPECT_TRUE(is_there(point.point_id)) << point.point_id;
  EXPECT_EQ(repository().count(Task::forget), 0u);
}

TEST_F(BackupRetentionTest, NothingIsDeletedWhileAPlanIsPaused) {
  given_vault();
  given_plan(kLastOne);
  const auto all = deletion_waits();
  ASSERT_TRUE(backups_->set_plan_state("pg", "Paused", "somebody is in the vault", "anna").ok());
  answers_again();
  pass(Duration(2 * 3'600'000));
  EXPECT_EQ(repository().count(Task::forget), 0u);
  EXPECT_EQ(repository().points.size(), 4u);
  prove_now();  // by hand: what follows a test deletes nothing, either
  run(BackupType::full);
  EXPECT_EQ(repository().count(Task::forget), 0u);
  EXPECT_EQ(repository().points.size(), 5u);
  ASSERT_TRUE(backups_->set_plan_state("pg", "Active", "", "anna").ok());
  pass(Duration(600'000));
  EXPECT_EQ(only_forget().state, "Succeeded");
  EXPECT_FALSE(is_there(all[1].point_id));
}

TEST_F(BackupRetentionTest, APauseCallsBackADeletionThatWasSent) {
  given_vault();
  given_plan(kLastOne);
  deletion_is_sent();
  ASSERT_TRUE(backups_->set_plan_state("pg", "Paused", "somebody is in the vault", "anna").ok());
  answers_again();
  EXPECT_EQ(repository().count(Task::forget), 0u);
  EXPECT_EQ(repository().points.size(), 3u);
  ASSERT_TRUE(backups_->set_plan_state("pg", "Active", "", "anna").ok());
  pass(Duration(600'000));
  EXPECT_EQ(repository().count(Task::forget), 1u);
  EXPECT_EQ(repository().points.size(), 1u);
}

// The node that restores is another one than the repository's own: their jobs know nothing of one another.
TEST_F(BackupRetentionTest, ADeletionWaitsForARestoreThatReadsThePointOrItsChain) {
  given_vault();
  given_plan(kLastOne);
  run(BackupType::full);
  run(BackupType::incremental);
  auto& guest = add_node("spare", "12", {{"Role", "spare"}});
  guest.answers = false;
  bool restored = false;
  guest.does_backups = [&](const backup::Job& job) {
    restored = true;
    return FakeRepository{clock_, {}, {}}.begin(job);
  };
  RestoreRequest request;
  request.point_id = points().front().point_id;
  request.node_id = guest.id;
  request.to.path = "/srv/restore";
  const auto restore = backups_->start_restore(request);
  ASSERT_TRUE(restore.ok()) << restore.error().chain();
  settle();
  run(BackupType::full);
  pass(Duration(3'600'000));
  EXPECT_EQ(repository().count(Task::forget), 0u) << "the restore reads it";
  EXPECT_EQ(only_forget().state, "Pending");
  run(BackupType::full);
  EXPECT_EQ(repository().count(Task::backup), 4u) << "backups go on meanwhile";
  guest.answers = true;
  settle();
  EXPECT_TRUE(restored);
  pass(Duration(60'000), Duration(10'000));
  EXPECT_EQ(only_forget().state, "Succeeded");
  EXPECT_LE(repository().points.size(), 2u);
}

TEST_F(BackupRetentionTest, AfterAChangeOfVaultTheOldPointsStayUnderTheRules) {
  given_vault();
  given_vault("other");
  given_plan(kByHand);  // the last three
  for (int i = 0; i < 3; ++i) run(BackupType::full);
  std::string moved = kByHand;
  moved.replace(moved.find("vault: nas"), 10, "vault: other");
  moved.replace(moved.find("last: 3"), 7, "last: 1");
  ASSERT_TRUE(backups_->put_plan({PutPlan::update, moved, "anna", "pg", {}}).ok());
  run(BackupType::full);
  pass(Duration(600'000));
  EXPECT_EQ(points("other").size(), 1u);
  EXPECT_EQ(points("nas").size(), 1u) << "one is kept there too, and the newest whole of the vault stays";
  const auto preview = backups_->preview_retention("pg", db_);
  ASSERT_TRUE(preview.ok());
  ASSERT_EQ(preview->size(), 2u);
  EXPECT_EQ(preview->at(0).vault, "other");
  EXPECT_EQ(preview->at(1).vault, "nas");
  EXPECT_EQ(preview->at(1).points.size(), 1u);
}

TEST_F(BackupRetentionTest, RulesThatKeepLessNameWhatTheyLetGoAndWantAWord) {
  given_vault();
  given_plan(kByHand);  // the last three
  for (int i = 0; i < 3; ++i) run(BackupType::full);
  const auto before = points();
  ASSERT_EQ(before.size(), 3u);
  std::string narrow = kByHand;
  narrow.replace(narrow.find("last: 3"), 7, "last: 1");
  const auto refused = backups_->put_plan({PutPlan::update, narrow, "anna"});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), Code::invalid_argument);
  EXPECT_THAT(refused.error().message(), HasSubstr(before[1].point_id));
  EXPECT_THAT(refused.error().message(), HasSubstr(before[2].point_id));
  EXPECT_THAT(refused.error().message(), testing::Not(HasSubstr(before[0].point_id)));
  const auto may_not = [](store::Sql&, std::string_view, std::string_view) -> Status {
    return Error(Code::permission_denied, "not you");
  };
  EXPECT_EQ(backups_->put_plan({PutPlan::update, narrow, "bert", "pg", may_not}).error().code(),
            Code::permission_denied);
  settle();
  EXPECT_EQ(backups_->get_plan("pg")->plan.version, 1);
  run(BackupType::full);
  EXPECT_EQ(points().size(), 3u) << "by the rules that were";
  std::string wider = kByHand;
  wider.replace(wider.find("last: 3"), 7, "last: 9");
  EXPECT_TRUE(backups_->put_plan({PutPlan::update, wider, "bert", "", may_not}).ok()) << "nothing is let go";
  ASSERT_TRUE(backups_->put_plan({PutPlan::update, narrow, "anna", "pg", {}}).ok());
  run(BackupType::full);
  EXPECT_EQ(points().size(), 1u);
}

TEST_F(BackupRetentionTest, CopiesOfAVaultThatThePlanLeftAreKept) {
  given_vault();
  given_vault("offsite", "offsite: true\nsite: other\n");
  given_plan(std::string(kLastOne) + "copies: [{vault: offsite, keep: {last: 9}}]\n");
  for (int i = 0; i < 3; ++i) run(BackupType::full), pass(Duration(120'000), Duration(60'000));
  ASSERT_EQ(points("offsite").size(), 3u);
  ASSERT_TRUE(backups_->put_plan({PutPlan::update, kLastOne, "anna"}).ok());
  run(BackupType::full);
  pass(Duration(600'000));
  EXPECT_EQ(points("offsite").size(), 3u) << "their rules went with the copy: nothing says that they may go";
  const auto preview = backups_->preview_retention("pg", db_);
  ASSERT_EQ(preview->size(), 2u);
  EXPECT_EQ(preview->at(1).vault, "offsite");
}

}  // namespace
}  // namespace belay::server
