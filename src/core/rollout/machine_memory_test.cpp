#include "core/rollout/machine_fixture_test.hpp"

// What of a rollout is counted and remembered: nodes that failed, nodes that had nothing to take.
namespace belay::rollout {
namespace {

TEST(Rollout, NothingChangedMeansNothingToSoakAndIsSaid) {
  World world({1, 1});
  world.rollout.rings[0].soak = 10min;
  world.turn();
  world.all_at_work(EventKind::nothing_to_do);
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n1-0"});
  world.all_at_work(EventKind::committed);
  EXPECT_EQ(world.rollout.state, State::Completed);
  EXPECT_EQ(world.rollout.why, "in ring0 nobody had anything to take");
}

TEST(Rollout, ARingInWhichNobodyTookTheChangeIsGreenOnlyIfNobodyHadAnythingToTake) {
  constexpr auto took = EventKind::committed, nothing = EventKind::nothing_to_do, held = EventKind::held,
                 failed = EventKind::rolled_back, gone = EventKind::undeliverable, excused = EventKind::excused;
  struct Case {
    std::vector<EventKind> nodes;
    std::uint32_t sample;
    bool green;
  };
  const std::vector<Case> cases = {
      {{nothing, nothing}, 1, true},
      {{nothing, gone}, 1, true},
      {{gone, gone}, 1, false},
      {{nothing, held}, 1, false},
      {{nothing, failed}, 1, false},
      {{took, nothing}, 1, true},
      {{took, nothing, nothing}, 2, false},
      {{took, took, nothing}, 2, true},
      {{nothing, nothing}, 2, true},
      {{took, held}, 1, true},
      {{excused}, 1, false},
      {{excused, nothing}, 1, false},
      {{excused, took}, 1, true},
  };
  for (const auto& one : cases) {
    World world({static_cast<std::uint32_t>(one.nodes.size()), 1});
    world.rollout.rings[0].sample_size = one.sample;
    world.rollout.rings[0].errors_max = 1;
    world.turn();
    std::vector<Event> events;
    for (std::size_t i = 0; i < one.nodes.size(); ++i)
      events.push_back(world.of("n0-" + std::to_string(i), one.nodes[i]));
    world.turn(events);
    const auto at = " in case " + std::to_string(&one - cases.data());
    EXPECT_EQ(world.rollout.state, one.green ? State::Running : State::Halted) << world.rollout.why << at;
    EXPECT_EQ(world.sent().empty(), !one.green) << at;
  }
}

TEST(Rollout, InTheLastRingAllMayBeExcused) {
  World world({1, 2});
  world.turn();
  world.all_at_work(EventKind::committed);
  world.turn({world.of("n1-0", EventKind::excused), world.of("n1-1", EventKind::nothing_to_do)});
  EXPECT_EQ(world.rollout.state, State::Completed) << world.rollout.why;
}

TEST(Rollout, AFailedNodeKeepsItsPlaceInTheBudgetUntilItIsSettled) {
  struct Case {
    EventKind failed;
    bool blocks;
  };
  for (const auto& one : {Case{EventKind::rolled_back, true}, Case{EventKind::rollback_failed, true},
                          Case{EventKind::inconsistent, true}, Case{EventKind::held, false}}) {
    World world({3});
    auto& ring = world.rollout.rings[0];
    ring.errors_max = 3;
    ring.sample_size = 0;
    ring.budgets = {{"Role", 1}};
    for (auto& node : world.rollout.nodes) node.groups = {"Role=db"};
    world.turn();
    ASSERT_EQ(world.sent(), std::vector<std::string>{"n0-0"});
    world.turn({world.of("n0-0", one.failed)});
    EXPECT_EQ(world.sent().empty(), one.blocks);
    if (!one.blocks) continue;
    world.turn({world.of("n0-0", EventKind::settled)});
    EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-1"}) << "settled, it is no burden";
    world.turn({world.of("n0-0", EventKind::settled)});
    EXPECT_TRUE(world.sent().empty()) << "told twice";
  }
}

// A replica that is down is one fewer of its quorum: its own patch waits, and so do its neighbours'.
TEST(Rollout, WhoIsDownTakesItsPlaceInTheBudget) {
  enum class How { was_ill, took_no_order, is_offline };
  for (const auto how : {How::was_ill, How::took_no_order, How::is_offline}) {
    World world({3});
    auto& ring = world.rollout.rings[0];
    ring.budgets = {{"Role", 1}};
    for (auto& node : world.rollout.nodes) node.groups = {"Role=db"};
    if (how == How::is_offline) world.around.offline = {"n0-1"};
    world.turn();
    if (how == How::is_offline) {
      EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-1"}) << "it is not in its own way, but in that of others";
      continue;
    }
    ASSERT_EQ(world.sent(), std::vector<std::string>{"n0-0"});
    auto ill = world.of("n0-0", EventKind::held, "was ill before");
    ill.down = true;
    if (how == How::took_no_order) world.now += 1h;
    world.turn(how == How::was_ill ? std::vector<Event>{ill} : std::vector<Event>{});
    EXPECT_EQ(world.node("n0-0").state, NodeState::Held);
    EXPECT_TRUE(world.sent().empty());
    world.turn({world.of("n0-0", EventKind::settled)});
    EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-1"});
  }
}

TEST(Rollout, OneThatFellIllTakesItsPlaceToo) {
  World world({2, 1});
  for (auto& ring : world.rollout.rings) ring.budgets = {{"Role", 1}}, ring.errors_max = 1, ring.soak = 10min;
  for (auto& node : world.rollout.nodes) node.groups = {"Role=db"};
  world.turn();
  world.all_at_work(EventKind::committed);
  world.all_at_work(EventKind::committed);
  world.turn({world.of("n0-1", EventKind::regressed)});
  world.now += 10min;
  world.turn();
  EXPECT_TRUE(world.sent().empty()) << "n0-1 is ill";
  EXPECT_TRUE(is_unsettled(world.node("n0-1")));
  world.turn({world.of("n0-1", EventKind::settled)});
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n1-0"});
  // On the way back it goes first: its place is taken already.
  world.turn({world.of("n1-0", EventKind::committed), world.of("n0-0", EventKind::regressed)});
  world.turn({World::say(EventKind::roll_back)});
  EXPECT_EQ(world.sent(ActionKind::put_back), std::vector<std::string>{"n0-0"});
}

// More fell ill than the budget would ever let be disturbed: they must not wait for each other.
TEST(Rollout, ThoseThatFellIllArePutBackOneAfterTheOtherAndBeforeTheRest) {
  for (const bool succeeds : {true, false}) {
    World world({4});
    world.rollout.on_failure = FailureAction::rollback_all;
    auto& ring = world.rollout.rings[0];
    ring.soak = 10min;
    ring.budgets = {{"Role", 1}};
    for (auto& node : world.rollout.nodes) node.groups = {"Role=db"};
    world.turn();
    for (int i = 0; i < 4; ++i) world.all_at_work(EventKind::committed);
    ASSERT_EQ(world.rollout.state, State::Soaking);
    world.turn({world.of("n0-1", EventKind::regressed), world.of("n0-2", EventKind::regressed)});
    EXPECT_EQ(world.rollout.state, State::RollingBack);
    EXPECT_EQ(world.sent(ActionKind::put_back), std::vector<std::string>{"n0-1"});
    if (!succeeds) {
      world.all_at_work(EventKind::not_put_back);
      EXPECT_EQ(world.rollout.state, State::Halted) << "n0-1 is in an unknown state, and n0-2 of its quorum is ill";
      EXPECT_EQ(world.rollout.why.substr(0, 38), "3 of 4 nodes wait to be put back, and ");
      continue;
    }
    for (const auto* next : {"n0-2", "n0-0", "n0-3"}) {
      world.all_at_work(EventKind::put_back);
      EXPECT_EQ(world.sent(ActionKind::put_back), std::vector<std::string>{next});
    }
    world.all_at_work(EventKind::put_back);
    EXPECT_EQ(world.rollout.state, State::RolledBack);
  }
}

TEST(Rollout, ANodeThatIsDisturbedHereAndElsewhereIsCountedOnceAndAsLongAsItIsOneOfThem) {
  World world({3});
  auto& ring = world.rollout.rings[0];
  ring.concurrency_max = 1;
  ring.budgets = {{"Role", 2}};
  for (auto& node : world.rollout.nodes) node.groups = {"Role=db"};
  world.around.members_elsewhere["n0-0"] = {"Role=db"};
  world.turn();
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-0"});
  ring.concurrency_max = 3;
  world.turn();
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-1"}) << "two at work, n0-0 counted once";
  world.turn({world.of("n0-0", EventKind::nothing_to_do)});
  EXPECT_TRUE(world.sent().empty()) << "it had nothing to take here, and is as disturbed elsewhere as before";
  world.around.members_elsewhere.clear();
  world.turn();
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-2"});
}

TEST(Rollout, WhatFailsWithinTheErrorsThatAreBorneIsRememberedWhenTheRingIsPassed) {
  World world({3, 1});
  world.rollout.rings[0].errors_max = 1;
  world.turn();
  world.turn({world.of("n0-0", EventKind::rolled_back, "web was ill")});
  EXPECT_TRUE(world.sent(ActionKind::quarantine).empty()) << "the others are still at it";
  world.all_at_work(EventKind::committed);
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n1-0"});
  const auto action = std::ranges::find(world.actions, ActionKind::quarantine, &Action::kind);
  ASSERT_NE(action, world.actions.end());
  EXPECT_EQ(action->ring, 0u);
  EXPECT_EQ(action->why, "1 nodes of the ring ring0 failed, within the errors that it bears");
  world.all_at_work(EventKind::committed);
  EXPECT_EQ(world.rollout.state, State::Completed);
  EXPECT_TRUE(world.sent(ActionKind::quarantine).empty()) << "once";
}

}  // namespace
}  // namespace belay::rollout
