#pragma once
// Rollouts and what belongs to them: approvals of change sets, rollbacks by hand, quarantine. The executions are driven
// by rollout_kind.hpp. Every change writes its own audit entry in its transaction.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/rollout/machine.hpp"
#include "core/rollout/spec.hpp"
#include "server/engine/change_sets.hpp"
#include "server/engine/node_registry.hpp"
#include "server/engine/windows.hpp"
#include "store/rollouts.hpp"

namespace belay::server {

inline constexpr std::string_view kRolloutKind = "rollout";

struct RingView {
  std::string name;
  rollout::RingState state = rollout::RingState::Waiting;
  std::string why;  // what it waits for
  rollout::RingCounts counts;
  std::uint32_t concurrency_max = 0, errors_max = 0, approvals_wanted = 0;
  std::vector<std::string> approved_by;
  std::optional<Instant> begun_at, soak_until;
};
BOOST_DESCRIBE_STRUCT(RingView, (),
                      (name, state, why, counts, concurrency_max, errors_max, approvals_wanted, approved_by, begun_at,
                       soak_until))
struct RolloutView {
  store::rollouts::Rollout row;  // content and spec included where one is asked for by id
  std::vector<RingView> rings;
  std::vector<std::string> warnings;  // of the plan
};
struct RolloutNodeView {
  store::rollouts::Node row;
  std::string ring_name, node_name;
  rollout::NodeState state = rollout::NodeState::Pending;  // with what the node last said of its run
  std::string detail;
  std::optional<Instant> started_at, ended_at;
  std::optional<rollout::DataRung> data;
};

// What an operator wants of a rollout, as it is posted to its execution.
struct RolloutEvent {
  rollout::EventKind kind = rollout::EventKind::start;
  std::string node_id, who, why, ring_name;
  bool again = false;
  std::string run_id{};  // of taken_back: the run that was
};
BOOST_DESCRIBE_STRUCT(RolloutEvent, (), (kind, node_id, who, why, ring_name, again, run_id))
inline constexpr std::string_view kRolloutEventKey = "operator ";  // begins the key of such an event

struct CreateRolloutRequest {
  std::string content;
  bool start = false;
  std::string requested_by;
  std::optional<ClientToken> client_token{};
};
// Exactly one of: nodes; a rollout (one ring of it).
struct RollbackRequest {
  std::vector<std::string> instance_ids;  // ids or unique names
  std::string rollout_id, ring;
  std::string run_id;   // with nodes: back to how it was before this run; "" before the newest
  std::string package;  // only this package; "" all
  std::string reason, requested_by;
  // What is taken back goes nowhere else. Where nobody says: of a rollout and a ring yes, of nodes no.
  std::optional<bool> quarantine{};
};
// Who has a package (version), and whether there is a way back from it.
struct WhereRow {
  std::string node_id, node_name, operating_system, arch, version;
  bool quarantined = false;
  std::string came_by_run;   // the newest run that brought it; "" where none of ours did
  std::string from_version;  // what that run replaced
};
struct Reversibility {
  std::string node_id, change_set_id;
  patchrun::ReversibilityClass reached = patchrun::ReversibilityClass::R0;
  std::vector<std::string> why_not_more;
  std::vector<std::string> evidence;        // what it rests on, with its age
  std::optional<patchrun::WayBack> proven;  // by the newest run of this change set on the node
};

// Errors: invalid_argument "ValidationException" (the file: all that is wrong, with lines), not_found
// "DoesNotExistException", conflict "InvalidStateException" (not in this state; says which it is in),
// permission_denied "own-change-set", "own-rollout".
class Rollouts {
 public:
  Rollouts(store::Store& store, const Clock& clock, const Authority& authority, Judge& judge, ChangeSets& change_sets,
           const Windows& windows)
      : store_(store),
        clock_(clock),
        authority_(authority),
        judge_(judge),
        change_sets_(change_sets),
        windows_(windows) {}

  // Freezes the rings' members and begins the plan. Refused: a ring without members, rings that overlap, a window too
  // short for what nodes took before, a quarantined change set.
  Result<RolloutView> create(const CreateRolloutRequest& request);
  Status start(std::string_view rollout_id, std::string_view by);
  // The ring that wants it next, or the one named; by others than the rollout's author. The first approval of each
  // person counts.
  Status approve_ring(std::string_view rollout_id, std::string_view ring, std::string_view by);
  Status pause(std::string_view rollout_id, std::string_view why, std::string_view by);
  // Of one whose ring halted: what halted it is accepted, which wants a reason; the reason stands in the audit log.
  // Refused where nobody took the change in that ring and nobody is to try again.
  Status resume(std::string_view rollout_id, bool held_ones_again, std::string_view by, std::string_view why = {});
  Status abort(std::string_view rollout_id, std::string_view why, std::string_view by);
  // The node, by id or name, is well: it takes no place in any budget any more for what failed there. Returns its id.
  Result<std::string> settle(std::string_view instance_id, std::string_view reason, std::string_view by);
  // The rollout that carries it out: the one named, or a new one.
  Result<std::string> roll_back(const RollbackRequest& request);

  Result<RolloutView> get(std::string_view rollout_id);
  Result<store::Listed<RolloutView>> list(const store::rollouts::Filter& filter, const store::Page& page);
  // Of a rollout that restores data: the nodes where it does or did. At most 200.
  Result<std::vector<RolloutNodeView>> restored(std::string_view rollout_id);
  Result<store::Listed<RolloutNodeView>> nodes(std::string_view rollout_id, const store::rollouts::NodeFilter& filter,
                                               const store::Page& page);
  // JSON of the report. not_found "no-report" before there is one.
  Result<json::Object> report(std::string_view rollout_id);

  // k of n: by others than its author. How many there are now. May be repeated by the same person: counts once.
  // It counts for one open rollout, as that is written: the one named, or ("") the only one there is; made by somebody
  // else, too. Of a set that no open rollout ships, it is of the versions alone: no later rollout goes by it. conflict
  // "InvalidStateException": that rollout is over, or ships another set; several are open and none is named.
  Result<std::uint32_t> approve_change_set(std::string_view change_set_id, std::string_view rollout_id,
                                           std::string_view by);

  Result<std::string> put_quarantine(store::rollouts::Quarantine entry);  // its id; stops open rollouts of it
  // How many nodes have the package version of an entry, or are offered it; 0 of a change set.
  Result<std::uint32_t> nodes_in_reach(std::string_view quarantine_id);
  Status lift_quarantine(std::string_view quarantine_id, std::string_view reason, std::string_view by);
  Result<std::vector<WhereRow>> where(std::string_view package, std::string_view version);
  // Of a node by id or name; change set "": the one that its newest rollout ships.
  Result<Reversibility> reversibility(std::string_view instance_id, std::string_view change_set_id);

  // Whether this server can send mail; a rollout that wants some is refused where it cannot. Before it is used.
  void set_sends_mail(bool sends) { sends_mail_ = sends; }

 private:
  Status post(std::string_view rollout_id, RolloutEvent event, std::string_view operation);

  store::Store& store_;
  const Clock& clock_;
  const Authority& authority_;
  Judge& judge_;
  ChangeSets& change_sets_;
  const Windows& windows_;
  bool sends_mail_ = false;
};

}  // namespace belay::server
