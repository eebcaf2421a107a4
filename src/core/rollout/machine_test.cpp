#include "core/rollout/machine_fixture_test.hpp"

namespace belay::rollout {
namespace {
using testing::HasSubstr;

TEST(Rollout, PromotesItselfWhenGreen) {
  World world({2, 1, 1});
  world.turn();
  EXPECT_EQ(world.sent(), (std::vector<std::string>{"n0-0", "n0-1"}));
  EXPECT_EQ(world.rollout.state, State::Running);
  world.all_at_work(EventKind::committed);
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n1-0"});
  world.all_at_work(EventKind::committed);
  world.all_at_work(EventKind::committed);
  EXPECT_EQ(world.rollout.state, State::Completed);
  EXPECT_TRUE(is_finished(world.rollout));
  EXPECT_EQ(world.sent(ActionKind::report).size(), 1u);
}

TEST(Rollout, SoaksBeforeThePromotion) {
  World world({1, 1});
  world.rollout.rings[0].soak = 10min;
  world.turn();
  world.all_at_work(EventKind::committed);
  EXPECT_EQ(world.rollout.state, State::Soaking);
  world.now += 9min;
  EXPECT_EQ(world.turn().wake_at, kBegin + 10min);
  EXPECT_TRUE(world.sent().empty());
  world.now = kBegin + 10min;
  world.turn();
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n1-0"});
}

TEST(Rollout, AFailureBeyondTheBudgetHaltsItAndIsQuarantined) {
  World world({2, 1});
  world.turn();
  world.turn({world.of("n0-0", EventKind::rolled_back, "web was ill")});
  EXPECT_EQ(world.rollout.state, State::Halted);
  EXPECT_THAT(world.rollout.why, HasSubstr("1 of 2 nodes that failed"));
  EXPECT_EQ(world.sent(ActionKind::quarantine).size(), 1u);
  EXPECT_EQ(world.sent(ActionKind::report).size(), 1u);
  EXPECT_EQ(world.sent(ActionKind::withdraw), std::vector<std::string>{"n0-1"});
  world.turn({world.of("n0-1", EventKind::committed)});
  EXPECT_EQ(world.rollout.state, State::Halted);
  EXPECT_TRUE(world.sent().empty());
  EXPECT_EQ(world.node("n1-0").state, NodeState::Pending);
}

TEST(Rollout, ErrorsWithinTheBudgetAreBorneAndStayCounted) {
  World world({3, 1});
  world.rollout.rings[0].errors_max = 1;
  world.turn();
  world.turn({world.of("n0-0", EventKind::rolled_back)});
  EXPECT_EQ(world.rollout.state, State::Running);
  world.turn({world.of("n0-1", EventKind::inconsistent)});
  EXPECT_EQ(world.rollout.state, State::Halted);
}

TEST(Rollout, ARingThatOnlyHeldBackIsNotTrusted) {
  World world({2, 1});
  world.turn();
  world.all_at_work(EventKind::held);
  EXPECT_EQ(world.rollout.state, State::Halted);
  EXPECT_THAT(world.rollout.why, HasSubstr("0 of 2 nodes took the change"));
  EXPECT_TRUE(world.sent(ActionKind::quarantine).empty()) << "nothing was blamed";
}

TEST(Rollout, ResumingAcceptsWhatFailedAndTriesHeldOnesAgain) {
  World world({2, 1});
  world.turn();
  world.turn({world.of("n0-0", EventKind::rolled_back), world.of("n0-1", EventKind::held)});
  ASSERT_EQ(world.rollout.state, State::Halted);
  auto resume = World::say(EventKind::resume);
  resume.again = true;
  resume.why = "n0-0 has a broken disk";
  world.turn({resume});
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-1"});
  world.all_at_work(EventKind::committed);
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n1-0"});
}

TEST(Rollout, WaitsForApprovals) {
  World world({1, 1});
  world.rollout.ready = false;
  world.rollout.rings[1].approvals_wanted = 2;
  world.turn({World::say(EventKind::frozen)});
  EXPECT_EQ(world.rollout.state, State::AwaitingApproval);
  world.turn({World::say(EventKind::approved)});
  world.all_at_work(EventKind::committed);
  EXPECT_EQ(world.rollout.state, State::AwaitingApproval);
  world.turn({World::say(EventKind::ring_approved, "ben"), World::say(EventKind::ring_approved, "ben")});
  EXPECT_EQ(world.rollout.state, State::AwaitingApproval) << "one person counts once";
  world.turn({World::say(EventKind::ring_approved, "cleo")});
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n1-0"});
}

TEST(Rollout, BeginsOnlyInItsWindowAndOnlyWhatFits) {
  World world({2});
  world.around.clocks[0] = {false, "closed", {}, kBegin + 1h};
  EXPECT_EQ(world.turn().wake_at, kBegin + 1h);
  EXPECT_TRUE(world.sent().empty());
  world.around.clocks[0] = {true, "", kBegin + 2h, kBegin + 25h};
  world.around.takes = {{"n0-0", 30min}, {"n0-1", 3h}};
  world.now = kBegin + 1h;
  world.turn();
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-0"});
  EXPECT_EQ(world.actions[0].end_by, kBegin + 2h);
}

TEST(Rollout, ARingThatDemandsAProofBeginsNoNodeThatIsNotKnownToHaveOne) {
  World world({2, 1});
  world.rollout.rings[0].demands_proof = world.rollout.rings[1].demands_proof = true;
  world.around.unproven = {{"n0-1", "there is no point"}};
  world.turn();
  EXPECT_TRUE(world.sent().empty());
  world.around.proven = {"n0-0"};
  world.turn();
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-0"});
  world.turn({world.of("n0-1", EventKind::held, "there is no point"), world.of("n0-0", EventKind::committed)});
  // The next ring opened in the same turn: nobody has looked at its nodes yet.
  EXPECT_EQ(world.rollout.ring, 1u);
  EXPECT_TRUE(world.sent().empty());
  world.around.proven = {"n1-0"};
  world.turn();
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n1-0"});
}

TEST(Rollout, NeverDisturbsTwoOfOneQuorum) {
  World world({3});
  world.rollout.rings[0].budgets = {{"Role", 1}};
  world.rollout.rings[0].errors_max = 2;
  for (auto& node : world.rollout.nodes) node.groups = {"Role=db"};
  world.turn();
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-0"});
  world.turn({world.of("n0-0", EventKind::committed)});
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-1"});
  world.turn({world.of("n0-1", EventKind::rolled_back)});
  EXPECT_TRUE(world.sent().empty()) << "a node that failed keeps consuming the budget";
}

TEST(Rollout, OtherRolloutsCountAgainstTheBudget) {
  World world({1});
  world.rollout.rings[0].budgets = {{"Role", 1}};
  world.rollout.nodes[0].groups = {"Role=db"};
  world.around.disrupted_elsewhere = {{"Role=db", 1}};
  const auto step = world.turn();
  EXPECT_TRUE(world.sent().empty());
  EXPECT_EQ(step.wake_at, kBegin + 1min) << "nobody tells when the other one has ended";
}

TEST(Rollout, ReplicasGoBeforeThePrimary) {
  World world({3});
  world.rollout.rings[0].ordered = true;
  for (auto& node : world.rollout.nodes) node.rank = kRankUnknown;
  world.turn();
  EXPECT_EQ(world.sent(ActionKind::ask_role).size(), 3u);
  world.turn();
  EXPECT_TRUE(world.sent(ActionKind::ask_role).empty()) << "asked once";
  std::vector<Event> told;
  for (const auto* id : {"n0-0", "n0-1", "n0-2"}) {
    told.push_back(world.of(id, EventKind::role_told));
    told.back().rank = id == std::string("n0-0") ? 1 : 0;
  }
  world.turn(told);
  EXPECT_EQ(world.sent(), (std::vector<std::string>{"n0-1", "n0-2"}));
  world.turn({world.of("n0-1", EventKind::committed)});
  EXPECT_TRUE(world.sent().empty());
  world.turn({world.of("n0-2", EventKind::committed)});
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-0"});
}

TEST(Rollout, WhoDoesNotTellItsRoleIsHeldBackAndAskedAnewWhenResumed) {
  World world({2});
  world.rollout.rings[0].ordered = true;
  world.rollout.rings[0].delivery = 1h;
  for (auto& node : world.rollout.nodes) node.rank = kRankUnknown;
  EXPECT_EQ(world.turn().wake_at, kBegin + 1h) << "one that is off says nothing";
  world.turn({world.of("n0-0", EventKind::role_told)});
  EXPECT_TRUE(world.sent().empty());
  world.now += 1h;
  world.turn();
  EXPECT_EQ(world.node("n0-1").state, NodeState::Held);
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-0"}) << "it waits for nobody who is off";
  world.rollout.state = State::Halted;
  auto again = world.of("n0-0", EventKind::resume);
  again.again = true;
  world.turn({again});
  EXPECT_EQ(world.sent(ActionKind::ask_role), std::vector<std::string>{"n0-1"});
  EXPECT_EQ(world.node("n0-1").attempt, 1u) << "by another order than before";
}

TEST(Rollout, ANodeThatFallsSilentInItsRunIsInconsistentUntilItSpeaks) {
  World world({1});
  world.rollout.rings[0].errors_max = 1;
  world.rollout.rings[0].sample_size = 0;
  world.turn();
  world.turn({world.of("n0-0", EventKind::taken)});
  world.now += 2h;
  world.turn();
  EXPECT_EQ(world.node("n0-0").state, NodeState::Inconsistent);
  world.turn({world.of("n0-0", EventKind::committed)});
  EXPECT_EQ(world.node("n0-0").state, NodeState::Committed) << "the truth counts when it comes";
}

TEST(Rollout, AnOrderThatNobodyTookIsWithdrawn) {
  World world({1, 1});
  world.turn();
  world.now += 1h;
  world.turn();
  EXPECT_EQ(world.node("n0-0").state, NodeState::Held);
  EXPECT_EQ(world.sent(ActionKind::withdraw), std::vector<std::string>{"n0-0"});
  EXPECT_EQ(world.rollout.state, State::Halted);
}

TEST(Rollout, PausedNothingBeginsAndUnreadOrdersComeBack) {
  World world({1, 1});
  world.turn();
  world.turn({World::say(EventKind::pause)});
  EXPECT_EQ(world.sent(ActionKind::withdraw), std::vector<std::string>{"n0-0"});
  world.turn({world.of("n0-0", EventKind::withdrawn)});
  EXPECT_EQ(world.node("n0-0").state, NodeState::Pending);
  EXPECT_EQ(world.rollout.state, State::Paused);
  world.turn({World::say(EventKind::resume)});
  EXPECT_EQ(world.sent(), std::vector<std::string>{"n0-0"});
  EXPECT_EQ(world.node("n0-0").attempt, 2u);
}

TEST(Rollout, AbortedRunsComeToTheirOwnEnd) {
  World world({2, 1});
  world.turn();
  world.turn({world.of("n0-0", EventKind::taken)});
  world.turn({World::say(EventKind::abort)});
  EXPECT_EQ(world.rollout.state, State::Aborted);
  EXPECT_FALSE(is_finished(world.rollout));
  EXPECT_EQ(world.sent(ActionKind::withdraw), std::vector<std::string>{"n0-1"});
  world.turn({world.of("n0-0", EventKind::committed), world.of("n0-1", EventKind::withdrawn)});
  EXPECT_TRUE(is_finished(world.rollout));
  EXPECT_EQ(world.node("n1-0").state, NodeState::Skipped);
}

TEST(Rollout, RolledBackWholeEveryNodeIsPutBack) {
  World world({2, 2});
  world.turn();
  world.all_at_work(EventKind::committed);
  world.turn({world.of("n1-0", EventKind::committed)});
  world.turn({World::say(EventKind::roll_back)});
  EXPECT_EQ(world.rollout.state, State::RollingBack);
  EXPECT_EQ(world.sent(ActionKind::put_back), (std::vector<std::string>{"n0-0", "n0-1", "n1-0"}));
  EXPECT_EQ(world.node("n0-0").undoes, "n0-0/change-1");
  world.turn({world.of("n1-1", EventKind::committed)});  // was at work meanwhile
  EXPECT_EQ(world.sent(ActionKind::put_back), std::vector<std::string>{"n1-1"});
  world.all_at_work(EventKind::put_back);
  EXPECT_EQ(world.rollout.state, State::RolledBack);
  EXPECT_TRUE(is_finished(world.rollout));
}

// An order that comes back unread while the rollout is taken back has no turn any more, and no ring runs at the end.
TEST(Rollout, WhatEndsLeavesNoNodePendingAndNoRingAtWork) {
  for (const bool before_its_end : {true, false}) {
    World world({2, 1});
    world.turn();
    world.turn({world.of("n0-0", EventKind::committed)});
    world.turn({World::say(EventKind::roll_back)});
    EXPECT_EQ(world.sent(ActionKind::withdraw), std::vector<std::string>{"n0-1"});
    const auto unread = world.of("n0-1", EventKind::withdrawn);
    const auto back = world.of("n0-0", EventKind::put_back);
    world.turn({before_its_end ? unread : back});
    world.turn({before_its_end ? back : unread});
    EXPECT_EQ(world.rollout.state, State::RolledBack);
    EXPECT_TRUE(is_finished(world.rollout));
    EXPECT_EQ(world.node("n0-1").state, NodeState::Skipped);
    EXPECT_EQ(world.rollout.rings[0].state, RingState::RolledBack);
    EXPECT_EQ(world.rollout.rings[1].state, RingState::Ended);
  }
  World aborted({1, 1});
  aborted.turn();
  aborted.turn({World::say(EventKind::abort)});
  EXPECT_EQ(aborted.rollout.rings[0].state, RingState::Ended);
}

TEST(Rollout, ARollbackThatDoesNotSucceedIsSaid) {
  World world({2});
  world.turn();
  world.all_at_work(EventKind::committed);
  ASSERT_EQ(world.rollout.state, State::Completed);
  World other({2, 1});
  other.turn();
  other.all_at_work(EventKind::committed);
  other.turn({World::say(EventKind::roll_back)});
  other.turn(
      {other.of("n0-0", EventKind::not_put_back, "held packages are gone"), other.of("n0-1", EventKind::put_back)});
  EXPECT_EQ(other.rollout.state, State::RollingBack) << "the node of the next ring is at work";
  other.all_at_work(EventKind::held);
  EXPECT_EQ(other.rollout.state, State::Halted);
  EXPECT_THAT(other.rollout.why, HasSubstr("1 of 3 nodes could not be put back"));
}

TEST(Rollout, WithRollbackAllTheFailureOfOneTakesAllBack) {
  World world({2, 1});
  world.rollout.on_failure = FailureAction::rollback_all;
  world.turn();
  world.turn({world.of("n0-0", EventKind::committed)});
  world.turn({world.of("n0-1", EventKind::rolled_back)});
  EXPECT_EQ(world.rollout.state, State::RollingBack);
  EXPECT_EQ(world.sent(ActionKind::put_back), std::vector<std::string>{"n0-0"});
  world.all_at_work(EventKind::put_back);
  EXPECT_EQ(world.rollout.state, State::RolledBack);
}

// The ring at hand is passed, the next one halts at once, and the way back of what was passed begins: all in one step.
TEST(Rollout, WhatIsPassedAndTakenBackInOneStepHadEndedFirst) {
  enum class First { commits, has_soaked, is_at_work, is_put_back_by_hand };
  struct Case {
    First first;
    bool passed;
  };
  for (const auto& one : {Case{First::commits, true}, Case{First::has_soaked, true}, Case{First::is_at_work, false},
                          Case{First::is_put_back_by_hand, false}}) {
    World world({1, 2});
    world.rollout.on_failure = FailureAction::rollback_all;
    world.rollout.rings[0].soak = one.first == First::commits ? 0min : 10min;
    world.turn();
    std::vector<Event> events{world.of("n1-0", EventKind::undeliverable), world.of("n1-1", EventKind::undeliverable)};
    if (one.first == First::commits) events.push_back(world.of("n0-0", EventKind::committed));
    if (one.first == First::has_soaked || one.first == First::is_put_back_by_hand)
      world.turn({world.of("n0-0", EventKind::committed)});
    if (one.first == First::is_put_back_by_hand) events.push_back(world.of("n0-0", EventKind::roll_back));
    if (one.first != First::commits) world.now += 10min;
    world.turn(events);
    const auto at = "case " + std::to_string(static_cast<int>(one.first));
    EXPECT_EQ(world.rollout.ring, one.passed ? 1u : 0u) << at;
    EXPECT_EQ(world.rollout.rings[0].state == RingState::Green, one.passed) << at;
    EXPECT_EQ(world.rollout.rings[1].state, one.passed ? RingState::Halted : RingState::Waiting) << at;
    EXPECT_EQ(world.rollout.state, one.passed ? State::RollingBack : State::Running) << at;
    EXPECT_EQ(world.sent(ActionKind::put_back).empty(), one.first == First::is_at_work) << at;
    EXPECT_EQ(world.sent(ActionKind::report).size(), one.passed ? 1u : 0u) << at;
  }
}

TEST(Rollout, ARingWithProbesIsGreenOnlyAfterALastLookAtThem) {
  for (const bool well : {true, false}) {
    World world({2, 1});
    world.rollout.rings[0].soak = 10min;
    world.rollout.rings[0].reads_probes = true;
    world.turn();
    world.all_at_work(EventKind::committed);
    world.now += 9min;
    world.turn();
    EXPECT_TRUE(world.sent(ActionKind::look).empty()) << "at its end";
    world.now += 1min;
    const auto step = world.turn();
    EXPECT_EQ(world.sent(ActionKind::look), (std::vector<std::string>{"n0-0", "n0-1"}));
    EXPECT_EQ(step.wake_at, world.now + 1h);
    EXPECT_THAT(step.waits_for, HasSubstr("2 of 2 nodes"));
    world.turn({world.of("n0-0", EventKind::looked_well)});
    EXPECT_EQ(world.rollout.state, State::Soaking);
    EXPECT_TRUE(world.actions.empty());
    world.now += 1h;
    world.turn();
    EXPECT_EQ(world.sent(ActionKind::look), std::vector<std::string>{"n0-1"}) << "what was not answered was no look";
    EXPECT_EQ(world.actions[0].attempt, 2u);
    world.turn({world.of("n0-1", well ? EventKind::looked_well : EventKind::regressed, "web answers 500")});
    EXPECT_EQ(world.rollout.state, well ? State::Running : State::Halted);
    EXPECT_EQ(world.sent().size(), well ? 1u : 0u);
  }
}

TEST(Rollout, ARegressionDuringTheSoakHalts) {
  World world({1, 1});
  world.rollout.rings[0].soak = 10min;
  world.turn();
  world.all_at_work(EventKind::committed);
  auto ill = world.of("n0-0", EventKind::regressed, "web.service failed");
  world.turn({ill});
  EXPECT_EQ(world.rollout.state, State::Halted);
  EXPECT_THAT(world.rollout.why, HasSubstr("fell ill"));
}

TEST(Rollout, WhoJoinsLateTakesPartInTheLastRing) {
  World world({1, 1});
  world.turn();
  Event joined;
  joined.kind = EventKind::joined;
  joined.node_id = "late";
  world.turn({joined, joined});
  EXPECT_EQ(world.rollout.nodes.size(), 3u);
  EXPECT_EQ(world.node("late").ring, 1u);
  world.all_at_work(EventKind::committed);
  EXPECT_EQ(world.sent(), (std::vector<std::string>{"late", "n1-0"}));
}

TEST(Rollout, WhatIsQuarantinedElsewhereStops) {
  World world({1, 1});
  world.turn();
  auto event = World::say(EventKind::quarantined);
  event.why = "zlib 1.3 is in quarantine";
  world.turn({event});
  EXPECT_EQ(world.rollout.state, State::Halted);
  EXPECT_EQ(world.rollout.why, event.why);
}

TEST(Rollout, OldNewsChangeNothing) {
  World world({1, 1});
  world.turn();
  const auto first = world.of("n0-0", EventKind::withdrawn);
  world.turn({World::say(EventKind::pause), first});
  world.turn({World::say(EventKind::resume)});
  auto late = first;
  late.kind = EventKind::rolled_back;
  world.turn({late});
  EXPECT_EQ(world.node("n0-0").state, NodeState::Checking) << "that order is not the newest";
}

}  // namespace
}  // namespace belay::rollout
