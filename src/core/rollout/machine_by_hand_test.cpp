#include "core/rollout/machine_fixture_test.hpp"

// What people do to a rollout that is under way, and what that may make of it.
namespace belay::rollout {
namespace {
using testing::HasSubstr;

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

}  // namespace
}  // namespace belay::rollout
