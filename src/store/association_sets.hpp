#pragma once
// Which associations each node keeps for when it is cut off: the set that it was sent last, and when to look at it
// again.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::association_sets {

struct Set {
  std::string node_id{};
  std::string hash{};                       // of what it was sent, or says it has; "" none
  std::vector<std::string> associations{};  // in it
  std::string order_id{};                   // that brought it, "" before the first
  std::optional<Instant> valid_until{};
  std::optional<Instant> due_at{};  // nothing: until somebody marks it
};

Result<std::optional<Set>> find(Sql& sql, std::string_view node_id);
// Adds or overwrites.
Status put(Sql& sql, const Set& set);
// May be repeated.
Status remove(Sql& sql, std::string_view node_id);
// To be looked at by `now`, the longest overdue first, at most `limit`.
Result<std::vector<Set>> due(Sql& sql, Instant now, std::uint32_t limit);
Result<std::optional<Instant>> next_due(Sql& sql);

// ---- to be looked at at once; may be repeated
Status mark(Sql& sql, std::span<const std::string> node_ids, Instant now);
Status mark_holders(Sql& sql, std::string_view association_id, Instant now);  // nodes that keep it
Status mark_all(Sql& sql, Instant now);                                       // that are known here

}  // namespace belay::store::association_sets
