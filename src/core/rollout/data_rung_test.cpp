#include "core/rollout/data_rung.hpp"

#include "core/rollout/machine_fixture_test.hpp"

namespace belay::rollout {
namespace {
using patchrun::Outcome;
using patchrun::PatchRunReport;
using testing::HasSubstr;

// ---- when
PatchRunReport run_of(Outcome outcome, std::string still_ill = "shop", Instant begun = kBegin) {
  PatchRunReport run;
  run.outcome = outcome;
  run.still_ill = std::move(still_ill);
  run.steps = {{"accepted", begun, {}, {}}, {"installing", begun + 1min, {}, {}}};
  return run;
}
PatchRunReport undoing(PatchRunReport run) {
  run.undoes = "another";
  return run;
}
PatchRunReport without_steps(PatchRunReport run) {
  run.steps.clear();
  return run;
}

struct Verdict {
  const char* fact;
  PatchRunReport run;
  Duration ended_after, heard_after;  // its beginning
  bool put_back;
  const char* says;
};

TEST(DataRung, ComesWhereNothingElseIsLeft) {
  const Verdict rows[] = {
      {"all rungs climbed, packages as found, a probe ill", run_of(Outcome::rollback_failed), 5min, 5min, true, ""},
      {"packages are left", run_of(Outcome::rollback_failed, ""), 5min, 5min, false, "not all packages"},
      {"rolled back and healthy", run_of(Outcome::rolled_back), 5min, 5min, false, ""},
      {"committed", run_of(Outcome::committed), 5min, 5min, false, ""},
      {"left for a person", run_of(Outcome::left_as_is), 5min, 5min, false, ""},
      {"nobody knows how it is", run_of(Outcome::inconsistent), 5min, 5min, false, ""},
      {"a rollback by hand", undoing(run_of(Outcome::rollback_failed)), 5min, 5min, false, ""},
      {"told late", run_of(Outcome::rollback_failed), 5min, 20min + 1ms, false, "mended there since"},
      {"told just in time", run_of(Outcome::rollback_failed), 5min, 20min, true, ""},
      {"a clock that is ahead", run_of(Outcome::rollback_failed, "shop", kBegin + 3min), 4min, 0min, false, "clock"},
      {"one that jumped back", run_of(Outcome::rollback_failed), -1min, 5min, false, "clock"},
      {"no beginning", without_steps(run_of(Outcome::rollback_failed)), 5min, 5min, false, "when it began"},
  };
  for (const auto& row : rows) {
    const auto verdict = judge_data(row.run, kBegin + row.ended_after, kBegin + row.heard_after);
    EXPECT_EQ(verdict.until, row.put_back ? std::optional(kBegin) : std::nullopt) << row.fact;
    EXPECT_THAT(verdict.why_not, HasSubstr(row.says)) << row.fact;
    EXPECT_EQ(verdict.why_not.empty(), *row.says == 0) << row.fact;
  }
}

TEST(DataRung, TellsWhatWasPutBack) {
  DataRung data;
  data.moment = kBegin;
  data.plan_name = "pg";
  data.point_id = "rp-1";
  EXPECT_THAT(told(data), HasSubstr("plan pg, recovery point rp-1) was put back to 2023-11-14T22:13:20"));
  data.restored_to = kBegin - 1s;
  data.took = 40s;
  data.put_aside = {"/srv/pg.before-bj-1"};
  EXPECT_THAT(told(data), HasSubstr("to 2023-11-14T22:13:19"));
  EXPECT_THAT(told(data), HasSubstr("in 40 s; "));
  EXPECT_THAT(told(data), HasSubstr("put aside: /srv/pg.before-bj-1"));
}

// ---- once for each node, in its place
struct DataWorld : World {
  explicit DataWorld(std::vector<std::uint32_t> nodes = {1, 1}) : World(std::move(nodes)) {
    for (auto& ring : rollout.rings) ring.restores_data = ring.demands_proof = true;
    for (const auto& node : rollout.nodes) around.proven.insert(node.node_id);
    turn();
  }
  Event failed(const std::string& id, bool data = true) {
    auto event = of(id, EventKind::rollback_failed, "shop is ill");
    if (data) event.data_until = kBegin;
    return event;
  }
  Event said(const std::string& id, EventKind kind, std::string why = "its data is back") {
    auto event = of(id, kind, std::move(why));
    event.order_id.clear();
    return event;
  }
};

TEST(DataRung, IsRestoredThenMeasuredThenRolledBack) {
  DataWorld world;
  const auto run = world.node("n0-0").order_id;
  world.turn({world.failed("n0-0")});
  EXPECT_EQ(world.sent(ActionKind::restore_data), std::vector<std::string>{"n0-0"});
  EXPECT_EQ(world.node("n0-0").state, NodeState::RollingBack);
  EXPECT_EQ(world.node("n0-0").data->moment, kBegin);
  EXPECT_EQ(world.node("n0-0").undoes, run);
  EXPECT_TRUE(disturbs(world.node("n0-0"))) << "it keeps its place";
  EXPECT_EQ(world.rollout.state, State::Halted) << "that it failed is known by now";
  EXPECT_EQ(world.sent(ActionKind::quarantine).size(), 1u);
  EXPECT_FALSE(is_finished(world.rollout));
  // The failed run, said again.
  auto again = world.of("n0-0", EventKind::not_put_back);
  again.order_id = run;
  world.turn({again});
  EXPECT_TRUE(world.actions.empty());
  world.turn({world.said("n0-0", EventKind::data_back)});
  EXPECT_EQ(world.sent(ActionKind::measure), std::vector<std::string>{"n0-0"});
  EXPECT_EQ(world.node("n0-0").state, NodeState::RollingBack);
  EXPECT_TRUE(world.turn({world.said("n0-0", EventKind::data_back)}).actions.empty()) << "once";
  world.turn({world.of("n0-0", EventKind::taken), world.of("n0-0", EventKind::put_back)});
  EXPECT_EQ(world.node("n0-0").state, NodeState::RolledBack);
  EXPECT_EQ(world.node("n0-0").why, "its data is back");
  EXPECT_EQ(world.sent(ActionKind::report).size(), 1u) << "the report of the halt did not know yet";
  EXPECT_EQ(count(world.rollout, 0).failed, 1u);
}

TEST(DataRung, EveryOtherEndSaysSo) {
  struct Row {
    const char* fact;
    bool restored;
    EventKind end;
    NodeState state;
    const char* says;
  };
  const Row rows[] = {
      {"no point", false, EventKind::data_not_back, NodeState::RollbackFailed,
       "shop is ill; its data was not put back"},
      {"gone meanwhile", false, EventKind::undeliverable, NodeState::Inconsistent, "no node any more"},
      {"still ill", true, EventKind::not_put_back, NodeState::RollbackFailed, "its data is back; shop"},
      {"cannot be measured", true, EventKind::inconsistent, NodeState::RollbackFailed, "its data is back; shop"},
      {"refused to", true, EventKind::held, NodeState::RollbackFailed, "its data is back; shop"},
      {"stopped", true, EventKind::withdrawn, NodeState::RollbackFailed, "its data is back; the order"},
      {"gone then", true, EventKind::undeliverable, NodeState::Inconsistent, "its data is back; is no node"},
  };
  for (const auto& row : rows) {
    DataWorld world;
    world.turn({world.failed("n0-0")});
    if (row.restored) world.turn({world.said("n0-0", EventKind::data_back)});
    world.turn({world.said("n0-0", row.end, "shop")});
    EXPECT_EQ(world.node("n0-0").state, row.state) << row.fact;
    EXPECT_THAT(world.node("n0-0").why, HasSubstr(row.says)) << row.fact;
    EXPECT_EQ(world.node("n0-0").data->step, DataStep::ended) << row.fact;
    EXPECT_EQ(world.sent(ActionKind::report).size(), 1u) << row.fact;
  }
}

TEST(DataRung, IsNotClimbedWhereItWasNotAskedForOrWasClimbed) {
  DataWorld world;
  world.rollout.rings[0].restores_data = false;
  world.turn({world.failed("n0-0")});
  EXPECT_EQ(world.node("n0-0").state, NodeState::RollbackFailed) << "the ring did not opt in";

  DataWorld nothing;
  nothing.turn({nothing.failed("n0-0", false)});
  EXPECT_EQ(nothing.node("n0-0").state, NodeState::RollbackFailed) << "data is not what is left";

  DataWorld given_up;
  given_up.turn({given_up.of("n0-0", EventKind::taken)});
  given_up.now += 3h;
  given_up.turn();
  ASSERT_EQ(given_up.node("n0-0").state, NodeState::Inconsistent);
  given_up.turn({given_up.failed("n0-0")});
  EXPECT_EQ(given_up.node("n0-0").state, NodeState::RollbackFailed) << "somebody may be there already";

  DataWorld once;
  once.turn({once.failed("n0-0")});
  once.turn({once.said("n0-0", EventKind::data_not_back)});
  once.turn({once.failed("n0-0")});
  EXPECT_TRUE(once.sent(ActionKind::restore_data).empty());
}

TEST(DataRung, AnAbortOrAPauseLeavesItToItsEnd) {
  for (const auto kind : {EventKind::abort, EventKind::pause, EventKind::roll_back}) {
    DataWorld world({2, 1});
    world.rollout.rings[0].errors_max = 2;
    world.turn({world.failed("n0-0")});
    EXPECT_EQ(world.rollout.state, State::Running) << "within the errors that the ring bears";
    world.turn({World::say(kind), world.of("n0-1", EventKind::held)});
    EXPECT_FALSE(is_finished(world.rollout));
    world.turn({world.said("n0-0", EventKind::data_back)});
    EXPECT_EQ(world.sent(ActionKind::measure), std::vector<std::string>{"n0-0"});
    world.turn({world.of("n0-0", EventKind::put_back)});
    EXPECT_EQ(world.node("n0-0").state, NodeState::RolledBack);
    EXPECT_EQ(is_finished(world.rollout), kind != EventKind::pause);
  }
}

TEST(DataRung, WhoDoesNotMeasureIsNotSaidToBeWell) {
  for (const bool taken : {false, true}) {
    DataWorld world;
    world.turn({world.failed("n0-0")});
    world.turn({world.said("n0-0", EventKind::data_back)});
    if (taken) world.turn({world.of("n0-0", EventKind::taken)});
    world.now += 3h;
    world.turn();
    EXPECT_EQ(world.node("n0-0").state, taken ? NodeState::Inconsistent : NodeState::RollbackFailed);
    EXPECT_THAT(world.node("n0-0").why, HasSubstr("its data is back; whether it is well"));
    EXPECT_EQ(world.sent(ActionKind::withdraw).size(), taken ? 0u : 1u);
    world.turn({world.of("n0-0", EventKind::put_back)});
    EXPECT_EQ(world.node("n0-0").state, NodeState::RolledBack) << "the truth counts whenever it comes";
  }
}

TEST(DataRung, ARestoreThatTakesHoursIsWaitedFor) {
  DataWorld world;
  world.turn({world.failed("n0-0")});
  world.now += 48h;
  EXPECT_TRUE(world.turn().actions.empty());
  EXPECT_EQ(world.node("n0-0").state, NodeState::RollingBack);
}

}  // namespace
}  // namespace belay::rollout
