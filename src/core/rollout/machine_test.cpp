#include <random>

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

// What a person may wave through: that by which the ring halted, with a reason, and never what nobody took.
TEST(Rollout, ResumingWaivesOnlyWhatHaltedAndNeverARingThatNobodyTook) {
  constexpr auto took = EventKind::committed, held = EventKind::held, failed = EventKind::rolled_back;
  struct Case {
    std::string_view name;
    std::vector<EventKind> nodes;
    std::string why;
    bool again;
    std::vector<EventKind> then;  // of what is tried again
    bool green;
  };
  const std::vector<Case> cases = {
      {"nobody took it", {held, held}, "seen", false, {}, false},
      {"held ones again, held again", {held, held}, "seen", true, {held, held}, false},
      {"held ones again, taken", {held, held}, "", true, {took, took}, true},
      {"held ones again, one too few", {took, held}, "seen", true, {held}, false},
      {"too few, with a reason", {took, held}, "seen", false, {}, true},
      {"too few, without one", {took, held}, "", false, {}, false},
      {"errors and too few: only the errors", {took, failed}, "seen", false, {}, false},
      {"all failed", {failed, failed}, "seen", false, {}, false},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    World world({2, 1});
    world.rollout.rings[0].sample_size = 2;
    world.turn();
    world.turn({world.of("n0-0", one.nodes[0]), world.of("n0-1", one.nodes[1])});
    ASSERT_EQ(world.rollout.state, State::Halted);
    auto resume = World::say(EventKind::resume);
    resume.again = one.again;
    resume.why = one.why;
    world.turn({resume});
    std::vector<Event> events;
    for (const auto& node : world.rollout.nodes)
      if (node.ring == 0 && is_at_work(node.state)) events.push_back(world.of(node.node_id, one.then[events.size()]));
    ASSERT_EQ(events.size(), one.then.size());
    if (!events.empty()) world.turn(events);
    EXPECT_EQ(world.rollout.rings[0].state == RingState::Green, one.green);
    EXPECT_EQ(world.rollout.state, one.green ? State::Running : State::Halted) << world.rollout.why;
    EXPECT_EQ(world.rollout.rings[0].sample_size, 2u) << "what was asked for stays on record";
  }
}

// Halted from outside, before anything ran: resuming is no word about a sample that nobody missed.
TEST(Rollout, ResumingAfterAQuarantineWasLiftedWaivesNothing) {
  World world({1, 1});
  world.rollout.started = false;
  world.turn();
  world.turn({World::say(EventKind::quarantined)});
  ASSERT_EQ(world.rollout.state, State::Halted);
  auto resume = World::say(EventKind::resume);
  resume.why = "a false alarm";
  world.turn({resume, World::say(EventKind::start)});
  world.all_at_work(EventKind::held);
  EXPECT_EQ(world.rollout.state, State::Halted);
  EXPECT_EQ(world.node("n1-0").state, NodeState::Pending);
}

TEST(Rollout, WhatWasAcceptedIsNotQuarantinedAgainWhenTheRingIsPassed) {
  for (const bool another_fails : {false, true}) {
    World world({4, 1});
    world.rollout.rings[0].errors_max = 1;
    world.rollout.rings[0].concurrency_max = 2;
    world.turn();
    world.turn({world.of("n0-0", EventKind::rolled_back), world.of("n0-1", EventKind::rolled_back)});
    ASSERT_EQ(world.sent(ActionKind::quarantine).size(), 1u);
    auto resume = World::say(EventKind::resume);
    resume.why = "two broken disks";
    world.turn({resume});
    world.turn({world.of("n0-2", another_fails ? EventKind::rolled_back : EventKind::committed),
                world.of("n0-3", EventKind::committed)});
    EXPECT_EQ(world.rollout.ring, 1u);
    EXPECT_EQ(world.sent(ActionKind::quarantine).size(), another_fails ? 1u : 0u);
  }
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

TEST(Rollout, ANodeThatWasTakenBackByHandFailedInItsRing) {
  World soaking({1, 1});
  soaking.rollout.rings[0].soak = 10min;
  soaking.turn();
  soaking.all_at_work(EventKind::committed);
  soaking.turn({soaking.of("n0-0", EventKind::taken_back, "taken back by ro-2")});
  EXPECT_EQ(soaking.node("n0-0").state, NodeState::RolledBack);
  EXPECT_EQ(soaking.rollout.state, State::Halted);
  EXPECT_EQ(soaking.sent(ActionKind::quarantine).size(), 1u);
  soaking.now += 1h;
  soaking.turn();
  EXPECT_EQ(soaking.node("n1-0").state, NodeState::Pending);

  // A ring that was passed: what is under way stops, and resuming with a reason goes on where it was.
  World passed({2, 2});
  passed.rollout.rings[1].concurrency_max = 1;
  passed.turn();
  passed.all_at_work(EventKind::committed);
  const auto gone = passed.of("n0-1", EventKind::taken_back, "taken back by ro-2");
  passed.turn({gone, gone});
  EXPECT_EQ(passed.rollout.state, State::Halted);
  EXPECT_THAT(passed.rollout.why, HasSubstr("the ring ring0 was green, and 1 of 2 nodes"));
  EXPECT_EQ(passed.sent(ActionKind::quarantine).size(), 1u);
  EXPECT_EQ(passed.sent(ActionKind::withdraw), std::vector<std::string>{"n1-0"});
  passed.turn({World::say(EventKind::resume)});
  EXPECT_EQ(passed.rollout.state, State::Halted) << "nobody said why";
  auto resume = World::say(EventKind::resume);
  resume.why = "it was the wrong node";
  passed.turn({resume, passed.of("n1-0", EventKind::committed)});
  EXPECT_EQ(passed.rollout.state, State::Running);
  EXPECT_EQ(passed.sent(), std::vector<std::string>{"n1-1"});
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

// Whatever happens in whatever order: the promises hold after every step, and every rollout comes to rest.
class AnyCourse : public testing::TestWithParam<unsigned> {};

TEST_P(AnyCourse, KeepsThePromises) {
  std::mt19937 random(GetParam());
  const auto below = [&](std::uint32_t n) { return std::uniform_int_distribution<std::uint32_t>(0, n - 1)(random); };
  World world({1 + below(4), 1 + below(5), 1 + below(6)});
  for (auto& ring : world.rollout.rings) {
    ring.concurrency_max = 1 + below(3);
    ring.errors_max = below(2);
    ring.soak = Duration(below(2) * 60'000);
    ring.budgets = {{"Role", 1 + below(2)}};
    ring.restores_data = below(2) > 0;
    ring.reads_probes = below(2) > 0;
  }
  std::map<std::string, int> restored;
  world.rollout.on_failure = FailureAction(below(3));
  for (auto& node : world.rollout.nodes) node.groups = {"Role=" + std::to_string(below(2))};
  std::uint32_t furthest = 0;
  for (int turns = 0; turns < 400 && !is_finished(world.rollout); ++turns) {
    std::vector<Event> events;
    for (const auto& node : world.rollout.nodes) {
      if (!is_at_work(node.state) || below(3) > 0) continue;
      const bool undoing = node.state == NodeState::RollingBack;
      const EventKind ends[] = {EventKind::committed, EventKind::committed,   EventKind::committed,
                                EventKind::held,      EventKind::rolled_back, EventKind::nothing_to_do};
      const auto kind = undoing         ? (below(5) ? EventKind::put_back : EventKind::not_put_back)
                        : below(3) == 0 ? EventKind::taken
                                        : ends[below(6)];
      events.push_back(world.of(node.node_id, kind));
      if (node.data && node.data->step == DataStep::restoring)
        events.back().kind = below(4) ? EventKind::data_back : EventKind::data_not_back;
      if (kind == EventKind::rolled_back && below(2) == 0) {
        events.back().kind = EventKind::rollback_failed;
        events.back().data_until = world.now;
      }
      if (below(4) == 0) events.push_back(events.back());  // told twice
    }
    // The orders that the turn before took back, where their nodes never had them.
    for (const auto& action : world.actions)
      if (action.kind == ActionKind::withdraw && below(2)) events.push_back(world.of(action.node_id, EventKind::withdrawn));
    for (const auto& node : world.rollout.nodes)
      if (node.look_until && below(2)) events.push_back(world.of(node.node_id, EventKind::looked_well));
    for (const auto& node : world.rollout.nodes) {
      if (node.state != NodeState::Committed || below(60) > 0) continue;
      events.push_back(world.of(node.node_id, below(2) ? EventKind::regressed : EventKind::taken_back));
    }
    if (below(25) == 0) events.push_back(World::say(EventKind::pause));
    if (below(6) == 0) events.push_back(World::say(EventKind::resume)), events.back().why = below(2) ? "seen" : "";
    if (below(120) == 0) events.push_back(World::say(EventKind::roll_back));
    if (below(120) == 0) events.push_back(World::say(EventKind::abort));
    const auto before = world.rollout;
    world.now += Duration(below(120'000));
    world.turn(events);
    for (const auto& action : world.actions) {
      if (action.kind == ActionKind::restore_data) ASSERT_EQ(++restored[action.node_id], 1) << "once for a node";
      if (action.kind != ActionKind::send) continue;
      ASSERT_FALSE(restored.contains(action.node_id)) << "what failed so is not tried again";
      const auto& node = world.node(action.node_id);
      ASSERT_EQ(node.ring, world.rollout.ring) << "only the ring at hand";
      for (std::uint32_t ring = 0; ring < node.ring; ++ring)
        ASSERT_EQ(world.rollout.rings[ring].state, RingState::Green) << "never promoted without a green gate";
      ASSERT_EQ(world.rollout.state, State::Running);
    }
    std::map<std::string, std::uint32_t> disturbed, begun;
    std::map<std::uint32_t, std::uint32_t> at_work;
    for (const auto& node : world.rollout.nodes) {
      at_work[node.ring] += is_at_work(node.state);
      disturbed[node.groups[0]] += is_at_work(node.state) && node.state != NodeState::RollingBack;
    }
    for (std::uint32_t ring = 0; ring < 3; ++ring) ASSERT_LE(at_work[ring], world.rollout.rings[ring].concurrency_max);
    for (const auto& [group, nodes] : disturbed) ASSERT_LE(nodes, 2u) << group;
    ASSERT_GE(world.rollout.ring, furthest);
    furthest = world.rollout.ring;
    ASSERT_TRUE(!is_over(before.state) || before.state == world.rollout.state) << "an end is an end";
  }
  const bool rests = is_finished(world.rollout) || world.rollout.state == State::Halted ||
                     world.rollout.state == State::Paused || world.rollout.state == State::Running ||
                     world.rollout.state == State::RollingBack;
  EXPECT_TRUE(rests);
  for (const auto& node : world.rollout.nodes) {
    if (!is_finished(world.rollout)) break;
    if (node.data) EXPECT_TRUE(is_failed(node.state) && node.data->step == DataStep::ended);
    ASSERT_NE(node.state, NodeState::Pending) << "every node ends in a state that says the truth";
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, AnyCourse, testing::Range(0u, 300u));

}  // namespace
}  // namespace belay::rollout
