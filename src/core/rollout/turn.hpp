#pragma once
// Inside of machine.cpp: one step of a rollout. turn_events.cpp takes in what happened, turn_rings.cpp decides.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/rollout/machine.hpp"

namespace belay::rollout {

class Turn {
 public:
  Turn(Rollout& rollout, const Surroundings& surroundings, Instant now)
      : rollout_(rollout), surroundings_(surroundings), now_(now) {}

  void take(const Event& event);
  void look_at_deadlines();
  void decide();
  Step finish();

 private:
  // ---- events
  void take_of_rollout(const Event& event);
  void take_of_node(const Event& event, Node& node);
  void take_join(const Event& event);
  void take_resume(const Event& event);
  void accept_halt(Ring& ring, bool held_ones_again);
  void take_roll_back(const Event& event);
  void ended(const Event& event, Node& node);
  bool has_no_turn_any_more(const Node& node) const;
  bool restores_data(const Event& event, const Node& node) const;
  void begin_data(const Event& event, Node& node);
  void take_of_data(const Event& event, Node& node);
  void end_data(Node& node, NodeState state, std::string why);
  void approve(const Event& event);

  // ---- decisions
  bool may_begin();
  bool ring_goes_on(Ring& ring);  // false: it waits for something, or the rollout halted
  bool run_ring(Ring& ring);
  bool soak(Ring& ring);
  std::uint32_t look_at_probes(Ring& ring);
  void conclude_ring(Ring& ring, const RingCounts& counts);
  bool over_budget(const Ring& ring, const RingCounts& counts) const;
  std::uint32_t sample_wanted(const Ring& ring, const RingCounts& counts) const;
  void halt(Ring& ring, std::string why);
  void halt_rollout(std::uint32_t blamed, std::string why);
  bool passed_rings_hold();
  void pass_on(const Ring& ring);
  void fill(Ring& ring, const RingCounts& counts);
  bool roles_known(const Ring& ring);
  bool disturbs_too_many(const Ring& ring, const Node& node);
  void count_disturbed();
  bool is_only_offline(const Node& node) const;
  void count_elsewhere(bool (*counts_here)(const Node&));
  bool anybody_elsewhere() const {
    return !surroundings_.disrupted_elsewhere.empty() || !surroundings_.members_elsewhere.empty() ||
           !surroundings_.offline.empty();
  }
  bool fits(const RingClock& clock, const Node& node);
  void begin(const Ring& ring, const RingClock& clock, Node& node);
  using Groups = std::map<std::string, std::uint32_t, std::less<>>;  // nodes of each
  void put_back_wanted();
  bool way_back_disturbs_too_many(const Node& node, const Groups& ill);
  void begin_way_back(Node& node);
  void roll_back();
  void mark_for_rollback(std::optional<std::uint32_t> ring);

  // ---- both
  Node* node_named(std::string_view id);
  Ring& ring_of(const Node& node) { return rollout_.rings[node.ring]; }
  void touch(const Node& node) { changed_.insert(node.node_id); }
  void act(ActionKind kind, const Node& node);
  void wake(std::optional<Instant> at);
  void end_node(Node& node, NodeState state, std::string why);
  void enter(State state, std::string why);
  void end_rings();
  void withdraw_untaken();
  void skip_pending(const std::string& why);

  Rollout& rollout_;
  const Surroundings& surroundings_;
  const Instant now_;
  Step out_;
  std::set<std::string> changed_;
  std::unordered_map<std::string_view, std::size_t> index_;  // of the nodes; made when it is first needed
  Groups disturbed_;                                         // at work or failed, here and elsewhere
};

}  // namespace belay::rollout
