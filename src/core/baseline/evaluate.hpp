#pragma once
// Judging one node: its package set and offer set through a baseline, to a verdict for every installed package, each
// with the rule or list entry that decided (ssm.md §1.2 to §1.4). Pure: the same values give the same verdicts.
//
// What is shared by every node of the same (package set, offer set, product) is judged once by judge_set(); what only
// one node knows (holds, runs, reboots) is laid over it by apply_node(). evaluate() is the two in a row.
//
// Order: global filters keep candidates → rules may approve → approved_patches approve, even what was dropped →
// rejected_patches remove, even what was approved → of several approved versions the latest is wanted.
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "core/baseline/baseline.hpp"
#include "core/fleet/package.hpp"

namespace belay::baseline {

// SSM's PatchComplianceDataState, as on the wire of the inventory. AVAILABLE_SECURITY_UPDATE says on Linux too: a
// newer security version is known and matched by a rule, but the rule's delay or date holds it back (until
// `held_back`).
enum class PatchState {
  INSTALLED,
  INSTALLED_OTHER,
  INSTALLED_PENDING_REBOOT,
  INSTALLED_REJECTED,
  MISSING,
  FAILED,
  NOT_APPLICABLE,
  AVAILABLE_SECURITY_UPDATE,
};
BOOST_DESCRIBE_ENUM(PatchState, INSTALLED, INSTALLED_OTHER, INSTALLED_PENDING_REBOOT, INSTALLED_REJECTED, MISSING,
                    FAILED, NOT_APPLICABLE, AVAILABLE_SECURITY_UPDATE)
// "Installed", "InstalledOther", …: as DescribeInstancePatches rows and filters write it.
std::string_view api_text(PatchState state);

// What decided, as evidence.
enum class DecidedBy {
  approval_rule,     // rule `rule_index` approved the version
  approved_patches,  // `entry` of the list approved it
  rejected_patches,  // `entry` of the list removed it
  no_rule,           // nothing in the baseline matches the version
  non_security,      // a rule's filters match, but the version is no security update and the rule wants those only
  global_filters,    // dropped before the rules
  delay,             // rule `rule_index` will approve it when its days are over
  until_date,        // released after rule `rule_index`'s date
  not_offered,       // no repository of the node carries the installed version, so nothing is known of it
  override_list,     // `entry` is the id of the InstallOverrideList
};
BOOST_DESCRIBE_ENUM(DecidedBy, approval_rule, approved_patches, rejected_patches, no_rule, non_security, global_filters,
                    delay, until_date, not_offered, override_list)

struct Decision {
  DecidedBy by = DecidedBy::no_rule;
  std::int32_t rule_index = -1;  // of approval_rules, from 0; -1 where no rule is meant
  std::string entry;             // the list entry as written, else ""
  std::string text;              // one sentence for a person
  bool operator==(const Decision&) const = default;
};
BOOST_DESCRIBE_STRUCT(Decision, (), (by, rule_index, entry, text))

// The newest known version above the installed one (and above the wanted one) that is not approved, and why.
struct HeldBack {
  std::string version;
  bool security = false;
  std::string classification, severity;
  std::vector<std::string> advisory_ids, cve_ids;
  std::optional<Instant> released_at, first_seen_at;  // as in PatchVerdict
  std::optional<Instant> until;                       // when the delay is over; absent where time alone changes nothing
  Decision decision;
  bool operator==(const HeldBack&) const = default;
};
BOOST_DESCRIBE_STRUCT(HeldBack, (),
                      (version, security, classification, severity, advisory_ids, cve_ids, released_at, first_seen_at,
                       until, decision))

// One row: a package (name, arch) of the node. Where rpm has several versions installed (kernels), the newest counts.
struct PatchVerdict {
  std::string name;
  std::string arch;
  std::string installed_version;
  // The latest approved version above the installed one: always for MISSING and FAILED, for INSTALLED_REJECTED where a
  // version that is not rejected would cure it; else "".
  std::string wanted_version;
  PatchState state = PatchState::INSTALLED_OTHER;
  ComplianceLevel compliance_level = ComplianceLevel::UNSPECIFIED;  // highest of every rule and list that approved
  bool compliant = true;
  // Of everything approved above the installed version (security first, then the most severe, ids of all: who skips a
  // version still lacks its fix); for AVAILABLE_SECURITY_UPDATE of the version held back; else of the installed
  // version. Classification and severity are empty for INSTALLED_OTHER, as SSM leaves them out.
  std::string classification;
  std::string severity;  // the vendor's word; never from CVSS
  bool security = false;
  std::vector<std::string> advisory_ids, cve_ids;
  // The date that the rules used: the vendor's own, or, where the vendor gives none, the fleet's first sight.
  std::optional<Instant> released_at, first_seen_at;
  std::optional<Duration> age;  // since then
  Decision decision;
  std::optional<HeldBack> held_back;
  // What stands in the way of an approved version: "on hold on the node", "needs libfoo, which is rejected with BLOCK".
  std::string blocked_by;
  std::string failure;  // FAILED: what the run said
  bool operator==(const PatchVerdict&) const = default;
};
BOOST_DESCRIBE_STRUCT(PatchVerdict, (),
                      (name, arch, installed_version, wanted_version, state, compliance_level, compliant,
                       classification, severity, security, advisory_ids, cve_ids, released_at, first_seen_at, age,
                       decision, held_back, blocked_by, failure))
// The age of what was judged before, as of now.
void set_age(PatchVerdict& verdict, Instant now);
// "name.arch", SSM's KBId on Linux.
std::string patch_id(const PatchVerdict& verdict);
// SSM's Title: "name.arch:version" of the wanted version, else of the installed one.
std::string patch_title(const PatchVerdict& verdict);

// The counters of InstancePatchState.
struct PatchCounts {
  std::uint32_t installed = 0, installed_other = 0, installed_pending_reboot = 0, installed_rejected = 0;
  std::uint32_t missing = 0, failed = 0;
  std::uint32_t not_applicable = 0;             // approved, not installed; counted, never listed
  std::uint32_t unreported_not_applicable = 0;  // always 0: nothing is cut off
  std::uint32_t available_security_update = 0;
  std::uint32_t critical_non_compliant = 0;  // compliance level CRITICAL
  std::uint32_t security_non_compliant = 0;  // security; one package may be in both
  std::uint32_t other_non_compliant = 0;     // neither
  bool operator==(const PatchCounts&) const = default;
};
BOOST_DESCRIBE_STRUCT(PatchCounts, (),
                      (installed, installed_other, installed_pending_reboot, installed_rejected, missing, failed,
                       not_applicable, unreported_not_applicable, available_security_update, critical_non_compliant,
                       security_non_compliant, other_non_compliant))

struct Evaluation {
  std::string baseline_id;
  Instant evaluated_at{};
  std::vector<PatchVerdict> verdicts;  // sorted by name, then arch; one for every installed (name, arch)
  PatchCounts counts;
  bool compliant = true;  // of these verdicts alone; stale or blocked scans are the caller's to mark UNKNOWN
  ComplianceLevel severity = ComplianceLevel::UNSPECIFIED;  // highest among the non-compliant
  // The earliest time at which the same values would be judged otherwise; absent: never by time alone.
  std::optional<Instant> changes_at;
  bool operator==(const Evaluation&) const = default;
};
BOOST_DESCRIBE_STRUCT(Evaluation, (), (baseline_id, evaluated_at, verdicts, counts, compliant, severity, changes_at))

// When the fleet first saw (name, version) on offer. Used where the offer has no date of its own; a version that is
// in neither counts as seen now, so that no delay is ever skipped for want of a date.
using FirstSeen = std::map<std::pair<std::string, std::string>, Instant>;

// A run that failed on a package, and what waits for a reboot. An empty version means whichever is installed (wanted).
struct PackageMark {
  std::string name, arch, version;
  std::string detail;
  bool operator==(const PackageMark&) const = default;
};
BOOST_DESCRIBE_STRUCT(PackageMark, (), (name, arch, version, detail))

// What only one node knows.
struct NodeState {
  std::vector<std::string> held{};            // names on hold there
  std::vector<PackageMark> failed{};          // of the newest Install, cleared by the next one that succeeds
  std::vector<PackageMark> pending_reboot{};  // installed by Belay and not rebooted since
  std::vector<PackageMark> blocked{};  // the resolver says it needs a package rejected with BLOCK; detail names that
};
BOOST_DESCRIBE_STRUCT(NodeState, (), (held, failed, pending_reboot, blocked))

// Every reference must outlive the call. Sets are sorted as package.hpp says; offers of packages that are not
// installed are allowed and only counted.
struct EvaluationInput {
  const fleet::PackageSet& installed;
  const fleet::OfferSet& offers;
  const PatchBaseline& baseline;
  std::string_view product;  // fleet::product_name of the node, for PRODUCT filters
  Instant now;
  const FirstSeen& first_seen;
};

Evaluation judge_set(const EvaluationInput& input);
// Lays a node's own state over what was judged for its set; counts and severity are made anew.
Evaluation apply_node(Evaluation of_set, const PatchBaseline& baseline, const NodeState& node);
Evaluation evaluate(const EvaluationInput& input, const NodeState& node);

// What an Install ships: every package with a wanted version that nothing blocks, from the installed to the wanted
// version, with hash and size of the offer. Sorted like the verdicts.
std::vector<fleet::PackageChange> wanted_changes(const Evaluation& evaluation, const fleet::OfferSet& offers);

// One offered version through a baseline, without a node: what DescribeEffectivePatchesForPatchBaseline lists.
// SSM's PatchDeploymentStatus.
enum class DeploymentStatus { APPROVED, PENDING_APPROVAL, EXPLICIT_APPROVED, EXPLICIT_REJECTED };
BOOST_DESCRIBE_ENUM(DeploymentStatus, APPROVED, PENDING_APPROVAL, EXPLICIT_APPROVED, EXPLICIT_REJECTED)

struct EffectivePatch {
  fleet::Offer offer;
  DeploymentStatus status = DeploymentStatus::PENDING_APPROVAL;
  ComplianceLevel compliance_level = ComplianceLevel::UNSPECIFIED;
  std::optional<Instant> approval_date;  // when it was or will be approved
  Decision decision;
};
BOOST_DESCRIBE_STRUCT(EffectivePatch, (), (offer, status, compliance_level, approval_date, decision))
// What the baseline says of every offer it approves, will approve or rejects; the rest is left out. In the offers'
// order.
std::vector<EffectivePatch> effective_patches(const fleet::OfferSet& offers, const PatchBaseline& baseline,
                                              std::string_view product, Instant now, const FirstSeen& first_seen);

}  // namespace belay::baseline
