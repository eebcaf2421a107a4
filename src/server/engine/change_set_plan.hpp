#pragma once
// The execution that plans a change set: one node of each distinct package set is asked what its resolver would do.
#include <boost/describe.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/engine/change_sets.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/node_registry.hpp"

namespace belay::server {

inline constexpr std::string_view kChangeSetKind = "change_set";

struct PlanningPart {
  std::vector<fleet::PackageChange> wanted;
  std::vector<std::string> candidates;  // nodes to ask, the likeliest to answer first
  std::uint32_t asked = 0;              // how many of them were asked
  std::optional<Instant> deadline;      // of the one asked last
  bool done = false;
  std::vector<std::string> failures;  // "mi-…: why"
};
BOOST_DESCRIBE_STRUCT(PlanningPart, (), (wanted, candidates, asked, deadline, done, failures))

// Of a frozen change set: whose nodes are asked to give the pool what it lacks, one part after the other, so that what
// several parts name is fetched once.
struct PoolFilling {
  std::uint32_t part = 0;
  std::uint32_t asked = 0;          // how many of its nodes
  std::optional<Instant> deadline;  // of the one asked last
};
BOOST_DESCRIBE_STRUCT(PoolFilling, (), (part, asked, deadline))

struct PlanningState {
  ChangeSetView view;  // parts in the order of `planning`
  std::uint32_t baseline_generation = 0;
  std::vector<PlanningPart> planning;
  std::optional<PoolFilling> filling{};
};
BOOST_DESCRIBE_STRUCT(PlanningState, (), (view, baseline_generation, planning, filling))

// Hashes and keeps a whole plan, and holds its package files in the pool. After it the change set never changes.
Status freeze(store::Sql& sql, PlanningState& state, Instant now);

// `fills_pool`: once it is frozen, the nodes that planned it are asked for the files that the pool lacks.
std::unique_ptr<ExecutionKind> make_change_set_kind(const Authority& authority, bool fills_pool = false);

}  // namespace belay::server
