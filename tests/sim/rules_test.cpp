#include "tests/sim/rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// The rule about promotion: what it lets pass, and that it still finds what a wrong server would do.
namespace belay::sim::rules {
namespace {
using namespace std::chrono_literals;
using rollout::NodeState;
using testing::HasSubstr;

constexpr Instant kNow{Duration(1'700'000'000'000)};

// Two rings, one node each. Before: the first committed an hour ago and soaks. Now: its ring was passed, the second
// halted, and under rollback-all the first is on its way back.
struct Move {
  RolloutSeen before, now;
  Move() {
    auto& machine = before.machine;
    machine.state = rollout::State::Soaking;
    for (const auto* name : {"dev", "prod"}) {
      auto& node = machine.nodes.emplace_back();
      node.node_id = name;
      node.ring = static_cast<std::uint32_t>(machine.rings.size());
      machine.rings.emplace_back().name = name;
    }
    dev(before).state = NodeState::Committed;
    dev(before).order_id = "change-1";
    dev(before).ended_at = kNow - 1h;
    machine.rings[0].soak = 10min;
    now = before;
    now.machine.ring = 1;
    now.machine.state = rollout::State::RollingBack;
    now.machine.rolled_back = true;
    now.machine.nodes[1].state = NodeState::Held;
    put_back(now);
  }
  static rollout::Node& dev(RolloutSeen& seen) { return seen.machine.nodes[0]; }
  static void put_back(RolloutSeen& seen, NodeState state = NodeState::RollingBack) {
    dev(seen).state = state;
    dev(seen).undoes = "change-1";
    dev(seen).ended_at.reset();
  }
  void dev_is(NodeState state) {  // and no way back began
    dev(now) = dev(before);
    dev(now).state = state;
  }
  std::string wrong() const { return promoted_without_green(before, now, kNow); }
};

TEST(PromotedWithoutGreen, WhatAHaltFurtherOnTakesBackHadEndedWhenItsRingWasPassed) {
  for (const auto state : {NodeState::RollingBack, NodeState::RolledBack, NodeState::RollbackFailed}) {
    Move move;
    Move::put_back(move.now, state);  // maybe its way back has ended at once: nothing was left to put back
    EXPECT_EQ(move.wrong(), "");
  }
  Move unseen;  // it committed, its ring was passed and it is taken back, all in one move
  unseen.before.machine.state = rollout::State::Running;
  Move::dev(unseen.before).state = NodeState::Verifying;
  unseen.now.machine.rings[0].soak = 0min;
  EXPECT_EQ(unseen.wrong(), "");
}

TEST(PromotedWithoutGreen, FindsWhatAWrongServerWouldDo) {
  struct Case {
    const char* what;
    void (*spoil)(Move&);
    const char* found;
  };
  const Case cases[] = {
      {"it had no time to soak", [](Move& m) { Move::dev(m.before).ended_at = kNow - 9min; }, "before dev had soaked"},
      {"it was still at work, and would have had to soak",
       [](Move& m) { Move::dev(m.before).state = NodeState::Verifying; }, "before dev had soaked"},
      {"it is at work", [](Move& m) { m.dev_is(NodeState::Verifying); }, "while nodes of it had not ended"},
      {"somebody had put it back before", [](Move& m) { Move::put_back(m.before); }, "while nodes of it had not ended"},
      {"somebody wanted it back before", [](Move& m) { Move::dev(m.before).put_back = true; },
       "while nodes of it had not ended"},
      {"it is put back, and no halt asked for that", [](Move& m) { m.now.machine.rolled_back = false; },
       "while nodes of it had not ended"},
      {"it was rolled back before this move", [](Move& m) { m.before.machine.rolled_back = true; },
       "while nodes of it had not ended"},
      {"it failed by itself", [](Move& m) { m.dev_is(NodeState::RolledBack); }, "with too many failed nodes"},
      {"it fell ill, and is taken back", [](Move& m) { Move::dev(m.now).regressed = true; },
       "with too many failed nodes"},
      {"it was held back", [](Move& m) { m.dev_is(NodeState::Held); }, "with too small a sample"},
      {"it goes back", [](Move& m) { m.before.machine.ring = 2; }, "went back by a ring"},
  };
  for (const auto& one : cases) {
    Move move;
    one.spoil(move);
    EXPECT_THAT(move.wrong(), HasSubstr(one.found)) << one.what;
  }
}

TEST(GoesOnThoughStopped, OnlyWhereNothingWasChangedYet) {
  using patchrun::State;
  RunRecord record;
  EXPECT_EQ(goes_on_though_stopped(record), "");
  for (const auto heard : {State::accepted, State::checking, State::protecting, State::downloading}) {
    record.stopped_in = heard;
    EXPECT_THAT(goes_on_though_stopped(record), HasSubstr("told to stop"));
  }
  record.stopped_in = State::installing;
  EXPECT_EQ(goes_on_though_stopped(record), "");
}

}  // namespace
}  // namespace belay::sim::rules
