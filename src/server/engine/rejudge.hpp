#pragma once
// What the whole fleet's judgement became without a scan: one execution of the kind "rejudge" walks over the active
// nodes after a change of a baseline, a default, a patch group, a tag or a policy (tell_rejudge), and every
// kRejudgeEvery for what changes by time alone: a delay that is over, a scan that grows stale, a node that goes dark.
//
// Where a node's judgement says something else than its newest verdict, a new verdict with its evidence is appended;
// the operation it names stays that of the scan. The verdicts of one step are told by one entry of the audit log,
// kFleetEntry, so that a fleet of 50,000 adds hundreds of entries and not 50,000. A step's verdicts, its entry and the
// place it got to are one transaction: killed anywhere, it goes on, and nothing is appended twice. A node that was
// never judged is passed over.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/engine.hpp"
#include "server/engine/judge.hpp"

namespace belay::server {

inline constexpr std::string_view kRejudgeKind = "rejudge";
inline constexpr Duration kRejudgeEvery{3'600'000};
inline constexpr std::uint32_t kRejudgedAtOnce = 200;  // nodes of one step, and the most that one entry tells

// ---- actions in the audit log that tell verdicts
// One: {"baseline", "compliance", "evidence": hash, "operation", "verdict": sequence}, of the node.
inline constexpr std::string_view kVerdictEntry = "node:judge";
// Many: {"compliant", "non_compliant", "unknown": how many, "verdicts": "12-15,18", "digest"}. The digest is the
// SHA-256 over a line "sequence node judged-at-ms compliance evidence-hash\n" for each, in their order.
inline constexpr std::string_view kFleetEntry = "fleet:judge";

std::unique_ptr<ExecutionKind> make_rejudge_kind(Judge& judge);
// Makes the execution where it is not there yet. Call once at start.
Status ensure_rejudge(store::Sql& sql, Instant now);
// Look at every node anew, soon. In the transaction of the change; ok where no server judges anew.
Status tell_rejudge(store::Sql& sql, Instant now);

// What the digest of an entry is over.
std::string digest_text(const std::vector<store::verdicts::Verdict>& verdicts);
// Ascending numbers as "12-15,18", and back; invalid_argument where it is none, or more than `count_max`.
std::string to_ranges(const std::vector<std::int64_t>& numbers);
Result<std::vector<std::int64_t>> parse_ranges(std::string_view text, std::size_t count_max);

}  // namespace belay::server
