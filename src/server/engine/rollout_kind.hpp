#pragma once
// Executions of the kind "rollout": carry out what core/rollout says, node by node.
#include <boost/describe.hpp>
#include <memory>
#include <string>

#include "core/rollout/machine.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/judge.hpp"
#include "server/engine/node_registry.hpp"
#include "server/engine/rollouts.hpp"

namespace belay::server {

// What the execution keeps. The file's reading stands in the rollout's row, the nodes in theirs.
struct RolloutExecution {
  rollout::Rollout machine;  // without its nodes
  std::string change_set_id;
  std::uint32_t approvals_wanted = 0;
  std::optional<Instant> looked_for_joiners_at;
  std::optional<Instant> looked_at;        // the turn before
  std::optional<Instant> listening_since;  // nodes' silence counts from here: before it, nobody here listened
  // Made by RollbackNodes: no change set, the nodes are only put back.
  bool rolls_back_only = false;
  std::string back_before_run;  // to how a node was before this run; "" before its newest
  std::string package;          // only this one; "" all
  // People who approved the change set for this rollout, as its file stands, which never changes: each once, none of
  // them its author nor the set's. What they say of one rollout counts for no other.
  std::vector<std::string> approved_by{};
};
BOOST_DESCRIBE_STRUCT(RolloutExecution, (),
                      (machine, change_set_id, approvals_wanted, looked_for_joiners_at, looked_at, listening_since,
                       rolls_back_only, back_before_run, package, approved_by))

struct RolloutParts {
  const Authority& authority;
  Judge& judge;
  const Windows& windows;
};
std::unique_ptr<ExecutionKind> make_rollout_kind(RolloutParts parts);

// Of the nodes of the rings, in the order of the file. invalid_argument "ValidationException": a ring without members,
// rings that overlap. What is only doubtful is added to `warnings`.
Result<std::vector<rollout::Node>> members_of(store::Sql& sql, const rollout::Spec& spec,
                                              std::vector<std::string>& warnings);
rollout::Ring ring_of(const rollout::RingSpec& spec, const rollout::Spec& whole, std::uint32_t members);
std::vector<RingView> views_of(const rollout::Rollout& machine);

// What a rollout ships to one node; empty where that is nothing. `why_not` says why it cannot be known.
struct Shipment {
  std::vector<fleet::PackageChange> changes;
  std::vector<std::string> remarks;  // on hold, excepted, not covered
  std::string why_not;
};
Result<Shipment> shipment_for(store::Sql& sql, Judge& judge, const ChangeSetView& change_set,
                              const store::nodes::Node& node, Instant now);
Result<ChangeSetView> frozen_change_set(store::Sql& sql, std::string_view change_set_id);

// How a run ended, for the machine. `undoing`: of a put-back order.
rollout::Event event_of_result(const wire::OrderResult& result, const std::string& node_id, bool undoing);

// As the report and the API show it.
json::Object data_reply(const rollout::DataRung& data);

// The report of a rollout as it stands now.
Result<json::Object> make_rollout_report(store::Sql& sql, const store::rollouts::Rollout& row, Instant now);

}  // namespace belay::server
