#pragma once
// What others than Belay's own judgement hold against a node: SSM's compliance items of the types Association and
// Custom:… . Patch is never kept here: it is judged from the scans (verdicts.hpp) whenever it is asked for.
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::compliance_items {

inline constexpr std::string_view kPatch = "Patch", kAssociation = "Association", kCustomPrefix = "Custom:";

struct ExecutionSummary {
  std::string execution_id{}, execution_type{};
  Instant executed_at{};
};

struct Item {
  std::string item_id{}, title{};
  std::string severity = "UNSPECIFIED";  // SSM's words
  std::string status = "COMPLIANT";      // or "NON_COMPLIANT"
  std::map<std::string, std::string> details{};
  ExecutionSummary execution{};  // the one that reported it last
};

// The evidence of the newest report of a type: who said so, when it was observed, what it hashed to.
struct Report {
  std::string node_id{}, compliance_type{};
  ExecutionSummary execution{};
  Instant received_at{};
  std::string content_hash{};                                 // as the reporter named it, "" where it did not
  std::string sha256{};                                       // of all items of the type after it; set by put()
  std::int64_t compliant_count = 0, non_compliant_count = 0;  // set by put()
  std::string severity{};  // the highest of what is non-compliant, "" where nothing is; set by put()
  std::optional<Instant> non_compliant_since{};  // set by put(); kept while it lasts
  std::string reported_by{};
};

// Replaces all items of the type (COMPLETE), or only those named (`partial`). Returns the report as it then stands.
// not_found "node-unknown". May be repeated. What associations write too.
Result<Report> put(Sql& sql, const Report& report, std::span<const Item> items, bool partial);
// The newest report of the type has this hash (not ""): only its execution and times move on, also those of its items.
// false where it is not so, and nothing is changed.
Result<bool> confirm(Sql& sql, const Report& report);
// One item that nobody vouches for any more (its association is gone); without items the report goes too. What stands
// beside it keeps its evidence. May be repeated.
Status remove_item(Sql& sql, std::string_view node_id, std::string_view compliance_type, std::string_view item_id);
Result<std::optional<Report>> find(Sql& sql, std::string_view node_id, std::string_view compliance_type);
// The reports of each node, by type; nodes without any are absent.
Result<std::map<std::string, std::vector<Report>>> reports_of(Sql& sql, std::span<const std::string> node_ids);
// By item id.
Result<std::vector<Item>> items(Sql& sql, std::string_view node_id, std::string_view compliance_type);
// Nodes for which this item is NON_COMPLIANT.
Result<std::int64_t> count_non_compliant(Sql& sql, std::string_view compliance_type, std::string_view item_id);
// Every type that any node has a report of, sorted.
Result<std::vector<std::string>> types(Sql& sql);

}  // namespace belay::store::compliance_items
