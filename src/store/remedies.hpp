#pragma once
// Policies that deal with nodes that do not comply, and what each did, episode by episode (core/remedy decides).
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::remedies {

struct Policy {
  std::string policy_id{};
  std::string name{};
  std::int64_t generation = 1;
  std::string content = "{}";  // JSON text of core/remedy's policy
  Instant created_at{}, updated_at{};
  std::string updated_by{};
};
// already_exists where the name is taken.
Status create_policy(Sql& sql, const Policy& policy);
// Content, time and author; generation + 1, which is returned. not_found.
Result<std::int64_t> update_policy(Sql& sql, const Policy& policy);
// Its episodes stay, as history. not_found.
Status remove_policy(Sql& sql, std::string_view policy_id);
// nullopt where there is none.
Result<std::optional<Policy>> find_policy(Sql& sql, std::string_view policy_id);
Result<std::optional<Policy>> find_policy_by_name(Sql& sql, std::string_view name);
// By name.
Result<Listed<Policy>> list_policies(Sql& sql, const Page& page);

struct Episode {
  std::string episode_id{};  // UUID
  std::string policy_id{}, policy_name{}, node_id{};
  Instant opened_at{};  // since when it does not comply
  Instant due_at{};     // when the policy acts
  std::optional<Instant> closed_at{};
  std::optional<Instant> acted_at{};
  std::string action{};   // of the policy when it acted
  std::string outcome{};  // "", "noticed", "sent", "placed", "failed"
  std::string command_id{};
  std::string compliance{}, severity{};  // as they were when last looked at
  std::string detail = "{}";             // JSON text: reasons, what was done
};
// conflict "episode-open" where one is open for this policy and node.
Status open(Sql& sql, const Episode& episode);
// Everything but its identity and acted_at; an episode that acted keeps what it did.
Status update(Sql& sql, const Episode& episode);
// true the first time; false where it acted already (nothing is changed): nothing is ever done twice.
Result<bool> mark_acted(Sql& sql, const Episode& episode);
// The open ones of these nodes; nodes without one are absent.
Result<std::vector<Episode>> open_of(Sql& sql, std::string_view policy_id, std::span<const std::string> node_ids);
// Open, due and not acted on, by due time.
Result<std::vector<Episode>> due(Sql& sql, std::string_view policy_id, Instant now, std::uint32_t limit);
Result<std::optional<Instant>> next_due(Sql& sql, std::string_view policy_id);
// Closes all that are open; how many.
Result<std::int64_t> close_all(Sql& sql, std::string_view policy_id, Instant at);

// Closes those of nodes that left the fleet; how many.
Result<std::int64_t> close_gone(Sql& sql, std::string_view policy_id, Instant at);

struct Filter {
  std::string policy_name{}, node_id{};
  std::optional<bool> open{}, acted{};
};
// Newest first.
Result<Listed<Episode>> list(Sql& sql, const Filter& filter, const Page& page);

}  // namespace belay::store::remedies
