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

struct PlanningState {
  ChangeSetView view;  // parts in the order of `planning`
  std::uint32_t baseline_generation = 0;
  std::vector<PlanningPart> planning;
};
BOOST_DESCRIBE_STRUCT(PlanningState, (), (view, baseline_generation, planning))

// Hashes and keeps a whole plan. After it the change set never changes.
Status freeze(store::Sql& sql, PlanningState& state, Instant now);

std::unique_ptr<ExecutionKind> make_change_set_kind(const Authority& authority);

}  // namespace belay::server
