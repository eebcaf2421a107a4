#include <random>

#include "core/rollout/machine_fixture_test.hpp"

namespace belay::rollout {
namespace {

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
  std::vector<std::uint32_t> samples;
  for (auto& ring : world.rollout.rings) samples.push_back(ring.sample_size = 1 + below(2));
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
      if (action.kind == ActionKind::withdraw && below(2))
        events.push_back(world.of(action.node_id, EventKind::withdrawn));
    for (const auto& node : world.rollout.nodes)
      if (node.look_until && below(2)) events.push_back(world.of(node.node_id, EventKind::looked_well));
    for (const auto& node : world.rollout.nodes) {
      if (node.state != NodeState::Committed || below(60) > 0) continue;
      events.push_back(world.of(node.node_id, below(2) ? EventKind::regressed : EventKind::taken_back));
    }
    for (const auto& node : world.rollout.nodes)
      if (disturbs(node) && !is_at_work(node.state) && below(5) == 0)
        events.push_back(world.of(node.node_id, EventKind::settled));
    if (below(150) == 0) events.push_back(World::say(EventKind::quarantined));
    if (below(120) == 0) events.push_back(World::say(EventKind::roll_back)), events.back().ring = below(3);
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
      // Whatever is at work, failed or down in its group, and nobody settled, counts: of this ring or another.
      const auto disturbed = std::ranges::count_if(
          world.rollout.nodes, [&](const auto& other) { return other.groups == node.groups && disturbs(other); });
      ASSERT_LE(disturbed, world.rollout.rings[node.ring].budgets[0].disrupted_max) << node.groups[0];
    }
    std::map<std::uint32_t, std::uint32_t> at_work;
    for (const auto& node : world.rollout.nodes) at_work[node.ring] += is_at_work(node.state);
    for (std::uint32_t ring = 0; ring < 3; ++ring) ASSERT_LE(at_work[ring], world.rollout.rings[ring].concurrency_max);
    // A ring that was passed had as many that took the change as was asked for, or a person said why fewer do; never
    // none.
    for (auto ring = furthest; ring < world.rollout.ring; ++ring) {
      const auto counts = count(world.rollout, ring);
      const auto took = counts.committed + counts.failed;  // taken back in the same step, maybe
      ASSERT_TRUE(took > 0 || nobody_had_anything(counts));
      ASSERT_EQ(world.rollout.rings[ring].sample_size, samples[ring]) << "on record as it was asked for";
    }
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
