#pragma once
// Every scan a node reported, for ever: what was observed, when. The newest of each node is at hand.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/fleet/problem.hpp"
#include "store/store.hpp"

namespace belay::store::scans {

struct Scan {
  std::string scan_id{};  // UUID, made by the node
  std::string node_id{};
  std::string order_id{};  // "" for a scan of the agent's own
  Instant observed_at{};   // the caller never lets it lie after received_at
  Instant received_at{};
  std::string package_set_hash{}, offer_set_hash{}, facts_hash{};  // contents.hpp; the sets may still be missing
  std::uint32_t packages = 0, offers = 0;
  std::vector<std::string> held{};
  std::string repositories = "[]";  // JSON text of wire's RepositorySeen list
  std::vector<fleet::Problem> problems{};
};

// true where it is new, false where this scan_id is there already (nothing is changed then). invalid_argument where
// it is another node's, or observed after it was received.
Result<bool> add(Sql& sql, const Scan& scan);
Result<Scan> get(Sql& sql, std::string_view scan_id);
// Newest by observation. nullopt where the node was never scanned.
Result<std::optional<Scan>> newest(Sql& sql, std::string_view node_id);
// Newest observed at or before `at`.
Result<std::optional<Scan>> as_of(Sql& sql, std::string_view node_id, Instant at);
// Newest first.
Result<Listed<Scan>> history(Sql& sql, std::string_view node_id, const Page& page);

// The newest scan of each node, narrow: what a server holds of the whole fleet in memory.
struct Head {
  std::string node_id{}, scan_id{};
  Instant observed_at{}, received_at{};
  std::string package_set_hash{}, offer_set_hash{};
};
// By node id. `received_since` narrows to what came since: how a server follows the others (ask with some overlap).
Result<Listed<Head>> heads(Sql& sql, std::optional<Instant> received_since, const Page& page);
Result<std::vector<Head>> heads_of(Sql& sql, std::span<const std::string> node_ids);
// Nodes whose newest scan names this set: whom to judge when it arrives.
Result<Listed<Head>> heads_with_set(Sql& sql, std::string_view set_hash, const Page& page);

}  // namespace belay::store::scans
