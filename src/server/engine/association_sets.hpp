#pragma once
// What nodes keep of their associations for when they are cut off, and what they tell of it.
//
// The execution of the kind "association_sets" looks at nodes whose associations may have changed and sends a node, as
// an order, the set that it is to keep: those that match it and that need no decision of the server's. Nothing is sent
// where the set is the one that the node has.
#include <boost/describe.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/associations.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/node_registry.hpp"
#include "wire/messages.hpp"

namespace belay::server {

inline constexpr std::string_view kAssociationSetsKind = "association_sets";
inline constexpr Duration kSetValidFor{std::chrono::hours(24 * 30)};  // sent anew after half of it

std::unique_ptr<ExecutionKind> make_association_sets_kind(const Authority& authority);

// Why nodes do not run it while they are cut off, for a person; "" where they do. Errors are the store's.
Result<std::string> offline_refusal(store::Sql& sql, const store::associations::Association& row,
                                    const association::Settings& settings, Instant now);

// ---- in the caller's transaction
// It was made, edited or deleted: nodes that match it or keep it are looked at.
Status association_changed(store::Sql& sql, std::string_view association_id, const association::Settings* settings,
                           Instant now);
// What documents say may be something else now.
Status association_documents_changed(store::Sql& sql, Instant now);
// A greeting: the set that the node says it has, and the runs that it took up while nobody heard of it. What it ran by
// itself it has not missed.
Status greet_associations(store::Sql& sql, std::string_view node_id, const wire::Hello& hello, Instant now);

// The id of the order that is this run on this node.
std::string own_run_id(std::string_view node_id, const wire::AssociationDue& due);
// A run that the node began by itself, as the execution of its association is told of it.
struct OfflineRun {
  std::string node_id, order_id;
  wire::AssociationDue due;
};
BOOST_DESCRIBE_STRUCT(OfflineRun, (), (node_id, order_id, due))
inline constexpr std::string_view kOwnRunKey = "own run ";  // begins the keys of such events
// Keeps the result of a run that no order of the server's stands for. invalid_argument or not_found where the run is
// not this node's to begin.
Status keep_own_run(store::Sql& sql, std::string_view node_id, const wire::OrderResult& result, Instant now);
// Tells the association. ok where it is gone.
Status tell_own_run(store::Sql& sql, std::string_view node_id, const wire::OrderResult& result, Instant now);
// A step on the node asks for its associations; those that are not its own are passed over.
Status refresh_associations(store::Sql& sql, std::string_view node_id, const wire::AssociationsWanted& wanted,
                            Instant now);

}  // namespace belay::server
