#include "server/engine/rollout_kind.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/command/rate.hpp"
#include "server/engine/rollout_run.hpp"

namespace belay::server {
namespace {
using store::Sql;

class RolloutKind : public ExecutionKind {
 public:
  explicit RolloutKind(RolloutParts parts) : parts_(parts) {}
  std::string_view name() const override { return kRolloutKind; }
  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>& events, Instant now) override {
    return RolloutRun(sql, parts_, now).advance(execution, events);
  }

 private:
  RolloutParts parts_;
};

// The same share of the nodes every time, whatever order they come in.
bool in_share(const std::string& node_id, std::uint32_t percent) {
  std::uint32_t hash = 2'166'136'261u;  // FNV-1a: spreads ids evenly, and is the same on every server
  for (const char c : node_id) hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619u;
  return hash % 100 < percent;
}

Result<std::vector<std::string>> nodes_of_ring(Sql& sql, const rollout::RingSpec& ring) {
  std::vector<Target> targets;
  for (const auto& target : ring.targets) targets.push_back({target.key, target.values});
  BELAY_TRY_ASSIGN(auto ids, resolve_targets(sql, {}, targets));
  if (ring.share_percent == 100) return ids;
  std::vector<std::string> some;
  for (const auto& id : ids)
    if (in_share(id, ring.share_percent)) some.push_back(id);
  if (some.empty() && !ids.empty()) some.push_back(ids.front());
  return some;
}

std::vector<std::string> budget_tags(const rollout::Spec& spec) {
  std::vector<std::string> tags;
  for (const auto& ring : spec.rings)
    for (const auto& budget : ring.budgets) tags.push_back(budget.tag);
  return tags;
}

Error refuse(std::string what) { return Error(Code::invalid_argument, std::move(what), "ValidationException"); }

}  // namespace

std::unique_ptr<ExecutionKind> make_rollout_kind(RolloutParts parts) { return std::make_unique<RolloutKind>(parts); }

namespace {

// Members that no budget of their ring counts.
Status warn_of_untagged(const rollout::Spec& spec, const std::vector<rollout::Node>& nodes,
                        std::vector<std::string>& warnings) {
  for (std::uint32_t i = 0; i < spec.rings.size(); ++i)
    for (const auto& budget : spec.rings[i].budgets) {
      std::vector<std::string> without;
      for (const auto& node : nodes)
        if (node.ring == i &&
            std::ranges::none_of(node.groups, [&](const auto& group) { return group.starts_with(budget.tag + "="); }))
          without.push_back(node.node_id);
      if (without.empty()) continue;
      const auto some = std::min<std::size_t>(without.size(), 5);
      warnings.push_back("the budget of the tag '" + budget.tag + "' does not count " + std::to_string(without.size()) +
                         " members of the ring '" + spec.rings[i].name + "', which lack it: " +
                         join({without.begin(), without.begin() + static_cast<std::ptrdiff_t>(some)}, ", ") +
                         (some < without.size() ? ", …" : ""));
    }
  return {};
}

}  // namespace

Result<std::vector<rollout::Node>> members_of(Sql& sql, const rollout::Spec& spec, std::vector<std::string>& warnings) {
  std::map<std::string, std::uint32_t> ring_of_node;
  std::vector<rollout::Node> nodes;
  for (std::uint32_t i = 0; i < spec.rings.size(); ++i) {
    const auto& ring = spec.rings[i];
    BELAY_TRY_ASSIGN(const auto ids, nodes_of_ring(sql, ring).within("rings[" + std::to_string(i) + "].targets"));
    std::uint32_t members = 0;
    for (const auto& id : ids) {
      const auto [known, added] = ring_of_node.try_emplace(id, i);
      if (!added && ring.rest) continue;
      if (!added)
        return refuse("rings[" + std::to_string(i) + "]: the node " + id + " is in the ring '" +
                      spec.rings[known->second].name +
                      "' already; rings may not overlap (rest: true takes only those " + "that no earlier ring has)");
      rollout::Node node;
      node.node_id = id;
      node.ring = i;
      node.rank = ring.order ? rollout::kRankUnknown : 0;
      nodes.push_back(std::move(node));
      ++members;
    }
    if (members == 0)
      return refuse("rings[" + std::to_string(i) + "]: the ring '" + ring.name +
                    "' has no members now; look at the tags with `belay nodes`, or leave the ring out");
    if (ring.sample_size > members)
      return refuse("rings[" + std::to_string(i) + "].sampleSize: " + std::to_string(ring.sample_size) +
                    " nodes are wanted, and the ring '" + ring.name + "' has " + std::to_string(members) +
                    ": it can never be green");
    if (members == 1 && i + 1 < spec.rings.size())
      warnings.push_back("the ring '" + ring.name + "' is one node: a small sample for the rings after it");
  }
  const auto tags = budget_tags(spec);
  if (tags.empty()) return nodes;
  std::vector<std::string> ids;
  for (const auto& node : nodes) ids.push_back(node.node_id);
  BELAY_TRY_ASSIGN(const auto tagged, store::tags::list_many(sql, store::tags::kManagedInstance, ids));
  std::set<std::string> carried;
  for (auto& node : nodes) {
    const auto found = tagged.find(node.node_id);
    if (found == tagged.end()) continue;
    for (const auto& tag : found->second)
      if (std::ranges::find(tags, tag.key) != tags.end())
        node.groups.push_back(tag.key + "=" + tag.value), carried.insert(tag.key);
  }
  for (const auto& tag : tags)
    if (!carried.contains(tag))
      return refuse("budget: no member has the tag '" + sanitize(tag, 128) +
                    "', so this budget would protect nobody; is it spelt as in `belay nodes`?");
  BELAY_TRY(warn_of_untagged(spec, nodes, warnings));
  return nodes;
}

rollout::Ring ring_of(const rollout::RingSpec& spec, const rollout::Spec& whole, std::uint32_t members) {
  rollout::Ring ring;
  ring.name = spec.name;
  ring.concurrency_max = command::max_concurrency(spec.max_concurrency, members).value();  // read_spec() checked them
  ring.errors_max = command::max_errors(spec.max_errors, members).value();
  ring.sample_size = spec.sample_size;
  ring.soak = spec.soak;
  ring.approvals_wanted = spec.approvals;
  ring.budgets = spec.budgets;
  ring.ordered = spec.order.has_value();
  ring.demands_proof = spec.proof.has_value();
  ring.restores_data = spec.restore_data;
  ring.reads_probes = !whole.probes.empty();
  ring.delivery = Duration(3'600'000);
  // Everything a run may take at most, its rollback included.
  const patchrun::PatchRunOrder bounds;
  ring.patience = 2 * (bounds.lock_timeout + bounds.install_timeout + whole.reboot_timeout + whole.gate.watch);
  return ring;
}

std::vector<RingView> views_of(const rollout::Rollout& machine) {
  std::vector<RingView> out;
  for (std::uint32_t i = 0; i < machine.rings.size(); ++i) {
    const auto& ring = machine.rings[i];
    RingView view;
    view.name = ring.name;
    view.state = ring.state;
    view.counts = rollout::count(machine, i);
    view.concurrency_max = ring.concurrency_max;
    view.errors_max = ring.errors_max;
    view.approvals_wanted = ring.approvals_wanted;
    view.approved_by = ring.approved_by;
    view.begun_at = ring.begun_at;
    view.soak_until = ring.soak_until;
    if (ring.state == rollout::RingState::Green && view.counts.committed == 0)
      view.why = rollout::nobody_had_anything(view.counts) ? std::string(rollout::kNobodyHadAnything)
                                                           : "nobody took the change: all are excepted or on hold";
    out.push_back(std::move(view));
  }
  return out;
}

Result<ChangeSetView> frozen_change_set(Sql& sql, std::string_view change_set_id) {
  BELAY_TRY_ASSIGN(const auto kept, store::change_sets::get(sql, change_set_id));
  BELAY_TRY_ASSIGN(auto view, json::decode_text<ChangeSetView>(kept.content, {.bytes_max = 32u << 20}));
  view.sha256 = kept.sha256;
  return view;
}

}  // namespace belay::server
