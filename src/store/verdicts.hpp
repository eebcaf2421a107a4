#pragma once
// Judgements, append-only: a later one with another baseline overwrites nothing. Each names its evidence.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::verdicts {

enum class Compliance { compliant, non_compliant, unknown };
BOOST_DESCRIBE_ENUM(Compliance, compliant, non_compliant, unknown)

struct Verdict {
  std::int64_t sequence = 0;  // set by add(); grows
  std::string node_id{};
  std::string scan_id{};  // what was observed; "" where the node was never scanned
  Instant observed_at{};  // of that scan
  Instant judged_at{};
  std::string baseline_id{};
  std::uint32_t baseline_generation = 0;
  std::uint32_t rule_version = 0;  // of core/baseline
  std::string patch_group{};
  std::string operation = "Scan";  // Scan or Install, with the times below as SSM reports them
  Instant operation_started_at{}, operation_ended_at{};
  std::string snapshot_id{}, command_id{}, run_id{};
  bool ad_hoc = false;  // judged under an override: kept, but never the node's newest
  Compliance compliance = Compliance::unknown;
  std::string severity{};       // the highest compliance level of what is non-compliant
  std::string counters = "{}";  // JSON text
  std::string reasons = "[]";   // JSON text: fleet::Problem list, why it is unknown
  std::string evidence_hash{};  // contents.hpp, Kind::evidence
};

// Returns its sequence. Repeating adds again, so add in the transaction that handles the cause.
Result<std::int64_t> add(Sql& sql, const Verdict& verdict);
Result<std::vector<std::int64_t>> add_many(Sql& sql, std::span<const Verdict> verdicts);
Result<Verdict> get(Sql& sql, std::int64_t sequence);
// The newest by sequence, ad hoc ones left out. `baseline_id` "" is any.
Result<std::optional<Verdict>> newest(Sql& sql, std::string_view node_id, std::string_view baseline_id = {});
// One per node that has any, by node id.
Result<std::vector<Verdict>> newest_of(Sql& sql, std::span<const std::string> node_ids);
// The newest judged at or before `at`.
Result<std::optional<Verdict>> as_of(Sql& sql, std::string_view node_id, Instant at, std::string_view baseline_id = {});
// Newest first.
Result<Listed<Verdict>> history(Sql& sql, std::string_view node_id, const Page& page);
// When the first of the unbroken row of verdicts that are not compliant was judged, up to the newest. nullopt where the
// newest is compliant, or there is none.
Result<std::optional<Instant>> not_compliant_since(Sql& sql, std::string_view node_id);
struct Filter {
  std::vector<std::string> patch_groups{}, baseline_ids{};
  std::vector<Compliance> compliance{};
};
// The newest verdict of each active node, by node id.
Result<Listed<Verdict>> list_newest(Sql& sql, const Filter& filter, const Page& page);

// How the active nodes stand by their newest verdicts. A node that has none, one whose scan was observed before
// `observed_from`, or that was last heard of before `seen_from`, counts as unknown, whatever was said of it then.
struct Totals {
  std::int64_t compliant = 0, non_compliant = 0, unknown = 0;
};
Result<Totals> totals(Sql& sql, Instant observed_from, Instant seen_from);
// Active nodes in the order of how much they need somebody: non-compliant, then unknown, then compliant by the same
// rule; of one kind by name.
Result<std::vector<std::string>> by_need(Sql& sql, Instant observed_from, Instant seen_from, std::uint32_t limit);

}  // namespace belay::store::verdicts
