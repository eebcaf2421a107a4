#pragma once
// State Manager's associations: every version of what an operator wrote, how each node stands in them, and what was run
// (kept for 30 days, also of those that were deleted). Statuses are SSM's words (core/association decides them).
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::associations {

inline constexpr std::int64_t kVersionsMax = 1'000;  // of one association, as SSM has it
using Counts = std::map<std::string, std::int64_t>;  // of nodes, by status

struct Association {
  std::string association_id{};        // UUID
  std::string name{}, document{};      // out of content, for searching
  std::int64_t version = 1;            // the newest
  std::string content = "{}";          // JSON text: core/association's Settings
  Instant created_at{}, updated_at{};  // the latter of the newest version
  std::string created_by{};
  // Kept by the engine:
  std::string status = "Pending";
  Counts counts{};
  std::optional<Instant> last_run_at{}, last_success_at{};
  std::optional<Instant> next_at{};  // the schedule's next
  std::string held{};                // why what is wanted does not begin
};

struct Version {
  std::int64_t version = 1;
  std::string content = "{}";
  Instant created_at{};
  std::string created_by{};
};

// With its first version. already_exists.
Status create(Sql& sql, const Association& association);
Result<Association> get(Sql& sql, std::string_view association_id);
// A new version: `version` is the one after the newest, content, name, document and updated_at are its own. conflict
// where it is not the next; resource_exhausted over kVersionsMax; not_found.
Status add_version(Sql& sql, const Association& association, std::string_view by);
// What the engine keeps. Passed over where it is gone.
Status set_standing(Sql& sql, const Association& association);
// With versions and nodes; its history stays. May be repeated.
Status remove(Sql& sql, std::string_view association_id);
struct Filter {
  std::vector<std::string> association_ids{}, names{}, documents{}, statuses{};
  std::string node_id{};  // that it stands for
  std::optional<Instant> run_before{}, run_after{};
};
// By id.
Result<Listed<Association>> list(Sql& sql, const Filter& filter, const Page& page);
Result<std::int64_t> count(Sql& sql);
Result<Version> get_version(Sql& sql, std::string_view association_id, std::int64_t version);
Result<Listed<Version>> list_versions(Sql& sql, std::string_view association_id, const Page& page);  // newest first

// ---- how nodes stand
struct Node {
  std::string association_id{}, node_id{};
  std::int64_t version = 1;
  std::string status = "Pending", details{}, summary{}, execution_id{};
  std::optional<Instant> executed_at{};
  bool missed = false;
};
// Adds or overwrites. Passed over where the association is gone.
Status put_nodes(Sql& sql, std::span<const Node> nodes);
Result<std::optional<Node>> find_node(Sql& sql, std::string_view association_id, std::string_view node_id);
// May be repeated.
Status remove_node(Sql& sql, std::string_view association_id, std::string_view node_id);
Result<Listed<Node>> nodes_of(Sql& sql, std::string_view association_id, const Page& page);  // by node
Result<Listed<Node>> associations_of(Sql& sql, std::string_view node_id, const Page& page);  // by association
Result<Counts> count_nodes(Sql& sql, std::string_view association_id);
Result<bool> has_missed(Sql& sql, std::string_view node_id);

// ---- what was run
struct Execution {
  std::string execution_id{}, association_id{};
  std::int64_t version = 1;
  std::string cause{}, status = "Pending", details{}, command_id{};
  Instant due_at{}, created_at{};
  std::optional<Instant> finished_at{};
  Counts counts{};
};
struct Target {
  std::string execution_id{}, node_id{};
  std::string status = "Pending", details{};
  std::optional<Instant> executed_at{};
};
// already_exists.
Status add_execution(Sql& sql, const Execution& execution, std::span<const std::string> node_ids);
Result<Execution> get_execution(Sql& sql, std::string_view execution_id);
// The run that was due then and has the node among its targets, if any: the newest.
Result<std::optional<Execution>> find_run(Sql& sql, std::string_view association_id, std::int64_t version,
                                          Instant due_at, std::string_view node_id);
// One more target. Passed over where it is there.
Status add_target(Sql& sql, std::string_view execution_id, std::string_view node_id);
// Whether the association ever ran on the node, as far as it is remembered.
Result<bool> has_run_on(Sql& sql, std::string_view association_id, std::string_view node_id);
// Status, details, command, finished_at and counts. not_found.
Status update_execution(Sql& sql, const Execution& execution);
Status update_targets(Sql& sql, std::span<const Target> targets);
struct ExecutionFilter {
  std::vector<std::string> execution_ids{}, statuses{};
  std::optional<Instant> created_after{}, created_before{};
};
// Newest first.
Result<Listed<Execution>> list_executions(Sql& sql, std::string_view association_id, const ExecutionFilter& filter,
                                          const Page& page);
// By node. Lists empty: all.
Result<Listed<Target>> list_targets(Sql& sql, std::string_view execution_id, const std::vector<std::string>& statuses,
                                    const std::vector<std::string>& node_ids, const Page& page);
Result<Counts> count_targets(Sql& sql, std::string_view execution_id);
// Forgets executions that ended before, at most `limit`, with their targets. Returns how many.
Result<std::int64_t> forget(Sql& sql, Instant before, std::uint32_t limit);

// ---- nodes whose associations are to be looked at
Status mark_changed(Sql& sql, std::string_view node_id, Instant at);  // may be repeated
// The oldest, taken away.
Result<std::vector<std::string>> take_changed(Sql& sql, std::uint32_t limit);

}  // namespace belay::store::associations
