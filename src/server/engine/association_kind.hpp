#pragma once
// Executions of the kinds "association" (core/association's machine over one association) and "association_matcher"
// (which associations a node that changed matches now).
#include <boost/describe.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/schedule/tzif.hpp"
#include "server/engine/associations.hpp"
#include "server/engine/engine.hpp"
#include "store/nodes.hpp"
#include "store/tags.hpp"

namespace belay::server {

struct AssociationState {
  association::State machine;
  std::vector<std::string> ended;  // runs whose command has ended; some of their nodes may not be taken in yet
};
BOOST_DESCRIBE_STRUCT(AssociationState, (), (machine, ended))

struct AssociationParts {
  const Windows& windows;
  schedule::ReadZone read_zone;  // of the zones that calendars name
};
std::unique_ptr<ExecutionKind> make_association_kind(AssociationParts parts);
std::unique_ptr<ExecutionKind> make_association_matcher_kind();

// ---- for this kind's own sources
// The command of a run over these nodes.
SendCommandRequest association_command(const association::Settings& settings, std::vector<std::string> node_ids);
inline constexpr std::string_view kNobodyMatches = "no node matches the targets";
// The node stands for nothing here any more.
Status drop_association_node(store::Sql& sql, std::string_view association_id, std::string_view node_id, Instant now);
Status forget_association_compliance(store::Sql& sql, std::string_view association_id, Instant now);
// Whether an active node is among the targets.
bool matches(const association::Settings& settings, const store::nodes::Node& node,
             const std::vector<store::tags::Tag>& tags);
struct AssociationCandidate {
  store::associations::Association row;
  association::Settings settings;
};
Result<std::vector<AssociationCandidate>> association_candidates(store::Sql& sql);  // all, by id
// Wakes the one execution of its kind, or makes it.
Status wake_fleet_kind(store::Sql& sql, std::string_view kind, Instant now);

}  // namespace belay::server
