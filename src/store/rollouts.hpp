#pragma once
// Rollouts as they are written, their nodes, and what the fleet remembers of them: quarantine, exceptions, package
// states that were saved under a name. States are core/rollout's words.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::rollouts {

struct Rollout {
  std::string rollout_id{};  // "ro-" + 17 hex
  std::string name{};
  std::string content{};  // the file as it was given; "" of a rollback of nodes
  std::string spec{};     // JSON text: what it was read as; never changed
  std::string state = "Planned";
  std::string why{};
  std::string change_set_id{};  // "" until it is made
  std::string undoes{};         // of a rollback: what it takes back, for a person; "" of any other
  std::string created_by{};
  Instant created_at{};
  std::optional<Instant> started_at{}, finished_at{};
  std::string rings = "[]";  // JSON text: the newest view of its rings, for lists
  std::string report{};      // JSON text; "" before there is one
};
struct Node {
  std::string rollout_id{}, node_id{};
  std::uint32_t ring = 0;
  std::string state = "Pending";
  std::string why{};
  std::string order_id{};      // of its newest run, "" before
  std::string machine = "{}";  // JSON text: the machine's own, all of it
};
inline constexpr std::size_t kWhyBytesMax = 4'000;  // of any why, undoes or reason here; more is cut when kept

Status create(Sql& sql, const Rollout& rollout);                   // already_exists
Result<Rollout> get(Sql& sql, std::string_view rollout_id);        // not_found
Result<Rollout> get_brief(Sql& sql, std::string_view rollout_id);  // without content, spec and report
// State, why, change set, times, rings and report (where not ""). not_found.
Status update(Sql& sql, const Rollout& rollout);
struct Filter {
  std::vector<std::string> states{};
  std::string name{};           // exactly; "" any
  std::string node_id{};        // takes part; "" any
  std::string change_set_id{};  // "" any
  std::optional<bool> over{};   // finished_at is there
};
Result<Listed<Rollout>> list(Sql& sql, const Filter& filter, const Page& page);  // newest first, brief

// Adds or changes; nodes of one rollout are unique. Many at once. not_found "reference-missing" without the rollout.
Status put_nodes(Sql& sql, std::span<const Node> nodes);
Result<std::vector<Node>> nodes_of(Sql& sql, std::string_view rollout_id);  // all, by ring and id
struct NodeFilter {
  std::vector<std::string> states{};
  std::optional<std::uint32_t> ring{};
};
Result<Listed<Node>> list_nodes(Sql& sql, std::string_view rollout_id, const NodeFilter& filter, const Page& page);
// Rows of open rollouts (not finished) that the node takes part in.
Result<std::vector<Node>> open_of_node(Sql& sql, std::string_view node_id);
// The same of all rollouts that are remembered, open and over.
Result<std::vector<Node>> all_of_node(Sql& sql, std::string_view node_id);
// Of all open rollouts but one: nodes in any of `states`. For budgets over rollouts, as are the unsettled nodes.
Result<std::vector<Node>> open_in_states(Sql& sql, std::string_view but_rollout_id,
                                         std::span<const std::string> states);

// ---- nodes whose change failed, until they are seen well again or somebody settles them; rollouts end meanwhile
struct Unsettled {
  std::string node_id{};  // one entry each: the newest failure
  std::string rollout_id{}, order_id{};
  std::string state{}, why{};
  Instant since{};
};
Status put_unsettled(Sql& sql, const Unsettled& entry);
// What it took away; nothing where the node is not there.
Result<std::optional<Unsettled>> take_unsettled(Sql& sql, std::string_view node_id);
Result<std::vector<Unsettled>> unsettled(Sql& sql);  // all, by node

// ---- quarantine: what was rolled back somewhere goes nowhere else
struct Quarantine {
  std::string quarantine_id{};                    // "qu-" + 17 hex
  std::string change_set_id{};                    // "" where it is about a package
  std::string name{}, arch{}, version{};          // of a package version; "" of a whole change set; arch "" any
  std::string operating_system{}, role{};         // "" all
  std::string reason{}, rollout_id{}, node_id{};  // why, and where it was seen
  std::string added_by{};
  Instant added_at{};
  std::string lifted_by{}, lift_reason{};
  std::optional<Instant> lifted_at{};
};
Status add_quarantine(Sql& sql, const Quarantine& entry);  // already_exists by id
Result<Quarantine> get_quarantine(Sql& sql, std::string_view quarantine_id);
// not_found; conflict "already-lifted".
Status lift_quarantine(Sql& sql, std::string_view quarantine_id, std::string_view by, std::string_view reason,
                       Instant at);
Result<std::vector<Quarantine>> in_quarantine(Sql& sql);  // all that is in force, newest first
Result<Listed<Quarantine>> list_quarantine(Sql& sql, bool lifted_too, const Page& page);  // newest first

// ---- exceptions: what a change set leaves out, for whom, and who answers for it until when
struct Exception {
  std::string exception_id{};  // "ex-" + 17 hex
  std::string package{};       // name, wildcards as in approved patches; "" every package: the node is left out
  std::string target{};        // "tag:Key=Value", a node's id, "" every node
  std::string owner{}, reason{}, created_by{};
  Instant created_at{}, expires_at{};
};
Status add_exception(Sql& sql, const Exception& exception);
Status remove_exception(Sql& sql, std::string_view exception_id);                         // not_found
Result<std::vector<Exception>> exceptions(Sql& sql, std::optional<Instant> in_force_at);  // by expiry

// ---- package states saved under a name
struct SavedState {
  std::string name{};  // unique
  std::string description{}, node_id{}, operating_system{}, package_set_hash{}, saved_by{};
  Instant saved_at{};
};
Status save_state(Sql& sql, const SavedState& state);  // already_exists
Result<SavedState> get_state(Sql& sql, std::string_view name);
Status remove_state(Sql& sql, std::string_view name);
Result<Listed<SavedState>> list_states(Sql& sql, const Page& page);  // by name

// Forgets rollouts that ended before, with their nodes; at most `limit`. Returns how many.
Result<std::int64_t> forget(Sql& sql, Instant before, std::uint32_t limit);

}  // namespace belay::store::rollouts
