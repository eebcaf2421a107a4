// The last rung: a change that spoils data, on a node with a proven backup.
#include "base/json.hpp"
#include "server/engine/backups_fixture_test.hpp"
#include "server/engine/rollout_kind.hpp"
#include "store/audit.hpp"
#include "store/settings.hpp"

namespace belay::server {
namespace {
using patchrun::Outcome;
using rollout::NodeState;
using testing::Not;

constexpr const char* kRollout = R"yaml(
name: october
approvals: 0
protect: {class: R1, proof: {level: P4, provenWithin: 7d, pointWithin: 24h}, restoreData: true}
rings: [{name: db, targets: ["tag:Role=db"]}]
probes: [{name: shop, command: "count the orders"}]
gate: {for: 2s, every: 1s, misses: 1}
)yaml";

class DataRungTest : public BackupsTest {
 protected:
  DataRungTest() {
    boot_data();
    EXPECT_TRUE(store_
                    ->write([](store::Sql& sql) {
                      return store::settings::set(sql, "rollout.approvals-least", "0", Instant{});
                    })
                    .ok());
    scan(with_openssl(fleet_.at(db_)));
    fleet_.at(db_).does_patches = [this](const wire::Order& order) { return patch(order); };
    given_vault();
    given_plan();
    settle();
  }
  void boot_data() {
    boot_backups();
    rollouts_ = std::make_unique<Rollouts>(*store_, clock_, authority_, *judge_, *change_sets_, *windows_);
    engine_->add(make_rollout_kind({authority_, *judge_, *windows_}));
  }
  // What is installed does not do, and taking it back does not help; only its data does.
  patchrun::PatchRunReport patch(const wire::Order& order) {
    patchrun::PatchRunReport run;
    run.run_id = order.order_id;
    run.undoes = order.patch->undoes;
    const bool measures = order.patch->changes.empty();
    run.steps = {{"accepted", clock_.now(), {}, {}}};
    if (!measures) begun_ = clock_.now();
    if (!measures && meanwhile_) meanwhile_();
    const bool well = measures && heals_ && repository().count(Task::restore) > 0;
    if (measures) measured_.insert(order.order_id);
    run.outcome = !measures ? Outcome::rollback_failed : well ? Outcome::nothing_to_do : Outcome::refused;
    if (!measures && data_is_ill_) run.still_ill = "shop";
    if (!measures || reads_probes_) run.probe_turns = {{clock_.now(), "shop", well, "0 orders"}};
    if (!well) run.problems = {{fleet::Reason::other, "shop", "0 orders", "look", false}};
    return run;
  }
  std::string start(const std::string& content = kRollout) {
    const auto made = rollouts_->create({content, true, "author", {}});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().chain());
    return made.ok() ? made->row.rollout_id : "";
  }
  std::string carried_out(const std::string& content = kRollout) {
    const auto id = start(content);
    pass(Duration(180'000), Duration(5'000));
    return id;
  }
  RolloutNodeView node_of(const std::string& id) {
    const auto nodes = rollouts_->nodes(id, {}, {});
    EXPECT_TRUE(nodes.ok() && nodes->items.size() == 1);
    return nodes->items.at(0);
  }
  std::string audit() {
    const auto entries = store_->read([&](store::Sql& sql) { return store::audit::list(sql, {}, {1'000, {}}); });
    std::string text;
    for (const auto& entry : entries->items) text += entry.action + " " + entry.detail + "\n";
    return text;
  }
  std::vector<backup::Job> restores() {
    std::vector<backup::Job> out;
    for (const auto& job : repository().jobs)
      if (job.task == Task::restore) out.push_back(job);
    return out;
  }

  std::unique_ptr<Rollouts> rollouts_;
  bool heals_ = true, data_is_ill_ = true, reads_probes_ = true;
  std::set<std::string> measured_;   // orders: one that was cut off is done again
  Instant begun_{};                  // the newest run that changed something
  std::function<void()> meanwhile_;  // while it runs
};

TEST_F(DataRungTest, DataGoesBackToTheMomentBeforeTheChangeAndTheNodeIsMeasured) {
  const auto id = carried_out();
  const auto node = node_of(id);
  EXPECT_EQ(node.state, NodeState::RolledBack) << node.row.why;
  ASSERT_EQ(restores().size(), 1u);
  const auto job = restores().front();
  EXPECT_TRUE(job.restore->in_place && job.restore->over && job.restore->path.empty());
  const auto& orders = fleet_.at(db_).done;
  const auto run = std::ranges::find(orders, wire::OrderKind::patch, &wire::Order::kind);
  ASSERT_NE(run, orders.end());
  EXPECT_EQ(job.restore->time, begun_) << "when the run began, and not when it failed";
  EXPECT_EQ(job.points.front().reference, points().front().made.reference);
  EXPECT_EQ(measured_.size(), 1u);
  const auto& measure = *orders.back().patch;
  EXPECT_EQ(measure.undoes, run->order_id);
  EXPECT_EQ(measure.probes.size(), 1u);
  EXPECT_EQ(measure.reboot, patchrun::Reboot::never);

  EXPECT_EQ(rollouts_->get(id)->row.state, "Halted");
  EXPECT_THAT(node.row.why, HasSubstr("plan pg, recovery point " + points().front().point_id));
  EXPECT_THAT(node.row.why, HasSubstr("in 40 s"));
  EXPECT_THAT(node.row.why, HasSubstr("/srv/pg.before-" + job.job_id));
  EXPECT_EQ(rollouts_->restored(id)->size(), 1u);
  const auto report = json::to_text(*rollouts_->report(id));
  EXPECT_THAT(report, HasSubstr("\"PointId\":\"" + points().front().point_id));
  EXPECT_THAT(report, HasSubstr("\"TookMs\":40000"));
  EXPECT_THAT(report, HasSubstr("make a full backup soon"));
  EXPECT_THAT(audit(), HasSubstr("node:restore-data"));
  EXPECT_THAT(audit(), HasSubstr("node:data-restored"));
  const auto in_force = store_->read([](store::Sql& sql) { return store::rollouts::in_quarantine(sql); });
  EXPECT_EQ(in_force->size(), 2u) << "the change set, and the version that the failed run brought";
}

TEST_F(DataRungTest, ThePlanSaysWhatItCosts) {
  const auto made = rollouts_->create({kRollout, false, "author", {}});
  ASSERT_TRUE(made.ok());
  EXPECT_THAT(made->warnings, testing::Contains(HasSubstr("what was written since is lost to it")));
}

TEST_F(DataRungTest, WhoIsStillIllAfterwardsIsNotSaidToBeRolledBack) {
  heals_ = false;
  const auto node = node_of(carried_out());
  EXPECT_EQ(node.state, NodeState::RollbackFailed);
  EXPECT_THAT(node.row.why, HasSubstr("/srv/pg.before-"));
  EXPECT_THAT(node.row.why, HasSubstr("0 orders"));
}

TEST_F(DataRungTest, ARestoreThatFailsSaysSo) {
  meanwhile_ = [this] { repository().outcome = JobOutcome::failed; };
  const auto node = node_of(carried_out());
  EXPECT_EQ(node.state, NodeState::RollbackFailed);
  EXPECT_THAT(node.row.why, HasSubstr("its data was not put back: the restore"));
  EXPECT_THAT(node.row.why, HasSubstr("the vault is full"));
  EXPECT_TRUE(measured_.empty());
  EXPECT_THAT(audit(), HasSubstr("node:data-not-restored"));
}

TEST_F(DataRungTest, IsLeftAloneWhereNobodyAskedOrDataIsNotWhatIsLeft) {
  auto content = std::string(kRollout);
  content.replace(content.find(", restoreData: true"), 19, "");
  auto node = node_of(carried_out(content));
  EXPECT_EQ(node.state, NodeState::RollbackFailed);
  EXPECT_THAT(node.row.why, Not(HasSubstr("data")));
  EXPECT_EQ(restores().size(), 0u);
}

TEST_F(DataRungTest, PackagesThatAreLeftAreNotCuredByData) {
  data_is_ill_ = false;
  const auto node = node_of(carried_out());
  EXPECT_EQ(node.state, NodeState::RollbackFailed);
  EXPECT_THAT(node.row.why, HasSubstr("not all packages are as they were found"));
  EXPECT_EQ(restores().size(), 0u);
}

TEST_F(DataRungTest, AnAgentThatCannotReadProbesAloneIsNotBelieved) {
  reads_probes_ = false;
  const auto node = node_of(carried_out());
  EXPECT_EQ(node.state, NodeState::RollbackFailed);
  EXPECT_THAT(node.row.why, HasSubstr("did not read the probes"));
}

TEST_F(DataRungTest, HappensOnceForANodeAndAChangeSet) {
  const auto first = carried_out();
  ASSERT_EQ(node_of(first).state, NodeState::RolledBack);
  const auto in_force = store_->read([](store::Sql& sql) { return store::rollouts::in_quarantine(sql); });
  for (const auto& entry : *in_force)
    ASSERT_TRUE(rollouts_->lift_quarantine(entry.quarantine_id, "looked at", "anna").ok());
  const auto change_set = rollouts_->get(first)->row.change_set_id;
  const auto node = node_of(carried_out(std::string(kRollout) + "changeSet: " + change_set + "\n"));
  EXPECT_EQ(node.state, NodeState::RollbackFailed);
  EXPECT_THAT(node.row.why, HasSubstr("once for this change set already"));
  EXPECT_EQ(restores().size(), 1u);
}

TEST_F(DataRungTest, WhereEveryPointHoldsTheChangeThereIsNoWay) {
  meanwhile_ = [this] {
    for (auto point : points()) {
      point.state = PointState::damaged;
      ASSERT_TRUE(store_->write([&](store::Sql& sql) { return kept::update_point(sql, point); }).ok());
    }
  };
  const auto node = node_of(carried_out());
  EXPECT_EQ(node.state, NodeState::RollbackFailed);
  EXPECT_THAT(node.row.why, HasSubstr("no recovery point of the plan pg that counts"));
}

// Every write from the failure on may be the server's last.
class DataRungKillTest : public DataRungTest, public testing::WithParamInterface<int> {};

TEST_P(DataRungKillTest, GoesOnAndRestoresOnce) {
  for (const bool after : {false, true}) {
    const auto id = start();
    store_->kill_at(GetParam(), after);
    for (int round = 0; round < 60; ++round) {
      try {
        pass(Duration(5'000), Duration(5'000));
      } catch (const fakes::Killed&) {
        store_->disarm();
        boot_data();
        recover();
        clock_.advance(Duration(31'000));  // the lease of the killed server
      }
      if (rollouts_->get(id)->row.state == "Halted" && !rollout::is_at_work(node_of(id).state)) break;
    }
    store_->disarm();
    const auto node = node_of(id);
    ASSERT_EQ(node.state, NodeState::RolledBack) << (after ? "after: " : "before: ") << node.row.why;
    EXPECT_EQ(restores().size(), after ? 2u : 1u);
    EXPECT_EQ(measured_.size(), after ? 2u : 1u);
    const auto in_force = store_->read([](store::Sql& sql) { return store::rollouts::in_quarantine(sql); });
    for (const auto& entry : *in_force)
      ASSERT_TRUE(rollouts_->lift_quarantine(entry.quarantine_id, "looked at", "anna").ok());
  }
}
INSTANTIATE_TEST_SUITE_P(Writes, DataRungKillTest, testing::Range(1, 60));

}  // namespace
}  // namespace belay::server
