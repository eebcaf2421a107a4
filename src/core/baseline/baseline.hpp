#pragma once
// The patch baseline as SSM has it (ssm.md §1.1): a plain value, kept by the store as JSON, checked by validate.hpp,
// applied by evaluate.hpp. Enumerators are written exactly as on the wire, so the codec needs no table.
// A BaselineOverride is the same value with an empty id.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/fleet/operating_system.hpp"

namespace belay::baseline {

using fleet::OperatingSystem;

// In rising order, so that the highest of several is std::max.
enum class ComplianceLevel { UNSPECIFIED, INFORMATIONAL, LOW, MEDIUM, HIGH, CRITICAL };
BOOST_DESCRIBE_ENUM(ComplianceLevel, UNSPECIFIED, INFORMATIONAL, LOW, MEDIUM, HIGH, CRITICAL)

enum class RejectedPatchesAction { ALLOW_AS_DEPENDENCY, BLOCK };
BOOST_DESCRIBE_ENUM(RejectedPatchesAction, ALLOW_AS_DEPENDENCY, BLOCK)

enum class AvailableSecurityUpdatesComplianceStatus { COMPLIANT, NON_COMPLIANT };
BOOST_DESCRIBE_ENUM(AvailableSecurityUpdatesComplianceStatus, COMPLIANT, NON_COMPLIANT)

enum class PatchFilterKey {
  ARCH,
  ADVISORY_ID,
  BUGZILLA_ID,
  PATCH_SET,
  PRODUCT,
  PRODUCT_FAMILY,
  CLASSIFICATION,
  CVE_ID,
  EPOCH,
  MSRC_SEVERITY,
  NAME,
  PATCH_ID,
  SECTION,
  PRIORITY,
  REPOSITORY,
  RELEASE,
  SEVERITY,
  SECURITY,
  VERSION,
};
BOOST_DESCRIBE_ENUM(PatchFilterKey, ARCH, ADVISORY_ID, BUGZILLA_ID, PATCH_SET, PRODUCT, PRODUCT_FAMILY, CLASSIFICATION,
                    CVE_ID, EPOCH, MSRC_SEVERITY, NAME, PATCH_ID, SECTION, PRIORITY, REPOSITORY, RELEASE, SEVERITY,
                    SECURITY, VERSION)

// Values are alternatives (OR); "*" matches anything, also what has no such attribute.
struct PatchFilter {
  PatchFilterKey key = PatchFilterKey::PRODUCT;
  std::vector<std::string> values;  // 1–20, each 1–64 characters
  bool operator==(const PatchFilter&) const = default;
};
BOOST_DESCRIBE_STRUCT(PatchFilter, (), (key, values))

struct PatchRule {
  std::vector<PatchFilter> filters;  // PatchFilterGroup.PatchFilters, at most 4; all must match (AND)
  ComplianceLevel compliance_level = ComplianceLevel::UNSPECIFIED;
  std::optional<std::int32_t> approve_after_days;  // 0–360; UTC days after the release
  std::optional<std::string> approve_until_date;   // YYYY-MM-DD, inclusive; one of the two, never both
  bool enable_non_security = false;
  bool operator==(const PatchRule&) const = default;
};
BOOST_DESCRIBE_STRUCT(PatchRule, (),
                      (filters, compliance_level, approve_after_days, approve_until_date, enable_non_security))

// Replaces the node's repositories for one run, in SSM. Here it is refused (validate.cpp); baselines of before show it.
struct PatchSource {
  std::string name;
  std::vector<std::string> products;  // "*" for all
  std::string configuration;          // a repository stanza or a line of sources.list; may hold a secret, never logged
  bool operator==(const PatchSource&) const = default;
};
BOOST_DESCRIBE_STRUCT(PatchSource, (), (name, products, configuration))

struct PatchBaseline {
  std::string id;  // "pb-" + 17 hexadecimal digits
  std::string name;
  std::string description;
  OperatingSystem operating_system = OperatingSystem::WINDOWS;  // the API's default; never changes once made
  std::vector<PatchFilter> global_filters;                      // at most 4, AND; empty: everything is a candidate
  std::vector<PatchRule> approval_rules;                        // at most 10, OR
  std::vector<std::string> approved_patches;                    // at most 50 of at most 100 characters
  ComplianceLevel approved_patches_compliance_level = ComplianceLevel::UNSPECIFIED;
  bool approved_patches_enable_non_security = false;
  std::vector<std::string> rejected_patches;
  RejectedPatchesAction rejected_patches_action = RejectedPatchesAction::ALLOW_AS_DEPENDENCY;
  std::vector<PatchSource> sources;
  // Windows only at AWS; here it holds for every system. Absent counts as COMPLIANT, which is what a Linux node is
  // at AWS while a rule's delay holds a known security update back.
  std::optional<AvailableSecurityUpdatesComplianceStatus> available_security_updates_compliance_status;
  bool predefined = false;  // one of predefined.hpp: read only
  std::optional<Instant> created_at;
  std::optional<Instant> modified_at;
  bool operator==(const PatchBaseline&) const = default;
};
BOOST_DESCRIBE_STRUCT(PatchBaseline, (),
                      (id, name, description, operating_system, global_filters, approval_rules, approved_patches,
                       approved_patches_compliance_level, approved_patches_enable_non_security, rejected_patches,
                       rejected_patches_action, sources, available_security_updates_compliance_status, predefined,
                       created_at, modified_at))

}  // namespace belay::baseline
