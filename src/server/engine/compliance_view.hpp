#pragma once
// How a node stands in every type of compliance: Patch from its judgement (judge.hpp), Association and Custom:… from
// what was reported (store/compliance_items.hpp). SSM knows only COMPLIANT and NON_COMPLIANT: what is unknown, or a
// report older than the policy allows, is NON_COMPLIANT there and says UNKNOWN in its details.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/judge.hpp"
#include "store/compliance_items.hpp"

namespace belay::server {

struct ComplianceStanding {
  std::string type;
  store::verdicts::Compliance compliance = store::verdicts::Compliance::unknown;
  std::string severity = "UNSPECIFIED";  // the highest of what is non-compliant
  store::compliance_items::ExecutionSummary execution;
  // Of the evidence kept that says exactly this, or of the items reported; "" where the judgement was not kept yet.
  std::string evidence_sha256;
  std::string source;                                   // of the evidence: a scan, who reported
  std::optional<Instant> since;                         // the node has not complied without a break since then
  std::vector<fleet::Problem> reasons;                  // why it is unknown
  std::map<std::string, std::int64_t> compliant_items;  // by severity; filled by count()
  std::map<std::string, std::int64_t> non_compliant_items;
};

// Setting "compliance.stale-after": how old a report may be before it is unknown.
inline constexpr Duration kReportStaleAfter{30LL * 24 * 3600 * 1000};
Result<Duration> read_report_stale_after(store::Sql& sql);

// Within one transaction. Reads no more of a judgement than once for each node in a row.
class ComplianceView {
 public:
  ComplianceView(store::Sql& sql, Judge& judge, Instant now) : sql_(sql), judge_(judge), now_(now) {}

  // Patch first, then what was reported, by type. A node that was never scanned stands as unknown in Patch.
  Result<std::vector<ComplianceStanding>> standings(const std::string& node_id);
  // nullopt where nothing was ever reported of the type.
  Result<std::optional<ComplianceStanding>> standing(const std::string& node_id, const std::string& type);
  Result<ComplianceStanding> reported(const store::compliance_items::Report& report);
  // Fills in the counts of items.
  Status count(const std::string& node_id, ComplianceStanding& standing);
  // By id. Under an unknown Patch standing: its reasons, and what was non-compliant when last seen; nothing is
  // compliant there. The details of each carry its evidence: EvidenceSha256 (of the verdict, or of all items of the
  // type that were reported), EvidenceSource, ObservedDate; no reporter's own detail stands in their place.
  Result<std::vector<store::compliance_items::Item>> items(const std::string& node_id, const std::string& type);

 private:
  Result<const Judgement*> judgement_of(const std::string& node_id);
  Result<ComplianceStanding> patch(const std::string& node_id);
  Result<std::vector<store::compliance_items::Item>> patch_items(const std::string& node_id);

  store::Sql& sql_;
  Judge& judge_;
  const Instant now_;
  std::optional<Judgement> judgement_;  // of the last node asked for
  std::optional<Duration> stale_after_;
};

}  // namespace belay::server
