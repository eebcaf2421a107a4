#include "core/baseline/approval.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "base/assert.hpp"
#include "core/baseline/filter.hpp"

namespace belay::baseline {
namespace {

using fleet::Offer;
using std::chrono::days;
using std::chrono::floor;

// How near an approval was, for what is not approved: time alone will do, a date forbids, and so on.
int nearness(DecidedBy by) {
  switch (by) {
    case DecidedBy::delay: return 4;
    case DecidedBy::until_date: return 3;
    case DecidedBy::non_security: return 2;
    case DecidedBy::global_filters: return 1;
    default: return 0;
  }
}

void note(Approval& approval, DecidedBy by, std::size_t rule_index) {
  if (approval.approved || nearness(by) <= nearness(approval.by)) return;
  approval.by = by;
  approval.rule_index = static_cast<std::int32_t>(rule_index);
}

void approve(Approval& approval, std::size_t rule_index, ComplianceLevel level, std::optional<Instant> at) {
  if (approval.approved && level <= approval.level) return;
  approval.approved = true;
  approval.level = level;
  approval.by = DecidedBy::approval_rule;
  approval.rule_index = static_cast<std::int32_t>(rule_index);
  approval.approved_at = at;
}

}  // namespace

Approver::Approver(const PatchBaseline& baseline, fleet::PackageFormat format, std::string_view product, Instant now)
    : baseline_(baseline),
      product_(product),
      now_(now),
      format_(format),
      approved_(baseline.approved_patches, baseline.operating_system, format),
      rejected_(baseline.rejected_patches, baseline.operating_system, format) {
  BELAY_ASSERT(baseline.approval_rules.size() <= 64);  // ten are allowed
  // Days are UTC days: a release at any time of a day counts as that day.
  for (const auto& rule : baseline.approval_rules) {
    if (!rule.approve_until_date) {
      approve_before_.push_back(floor<days>(now) + days(1 - rule.approve_after_days.value_or(0)));
      continue;
    }
    const auto date = parse_iso8601(*rule.approve_until_date);
    approve_before_.push_back(date.ok() ? floor<days>(*date) + days(1) : Instant::min());
  }
}

// The implicit rule where non-security is not enabled. deb: of the security archive. rpm: of a vendor's notice,
// whatever its kind; that is why the predefined baselines reach bug fixes without the flag. SUSE: of a patch.
bool Approver::is_candidate(const Offer& offer) const {
  if (format_ == fleet::PackageFormat::deb) return offer.security;
  if (baseline_.operating_system == OperatingSystem::SUSE && !offer.advisory_ids.empty()) return true;
  return offer.security || !offer.classification.empty() || !offer.severity.empty();
}

Approver::Match Approver::match(const Offer& offer) const {
  Match match{0, !matches_all(baseline_.global_filters, offer, product_), is_candidate(offer)};
  if (match.dropped) return match;
  for (std::size_t i = 0; i < approve_before_.size(); ++i)
    if (matches_all(baseline_.approval_rules[i].filters, offer, product_)) match.rules |= std::uint64_t{1} << i;
  return match;
}

bool Approver::looks_at_names() const {
  static constexpr std::array profile_keys{
      PatchFilterKey::PRODUCT, PatchFilterKey::CLASSIFICATION, PatchFilterKey::SEVERITY,  PatchFilterKey::PRIORITY,
      PatchFilterKey::SECTION, PatchFilterKey::SECURITY,       PatchFilterKey::REPOSITORY};
  const auto looks = [](const PatchFilter& filter) {
    return std::ranges::find(profile_keys, filter.key) == profile_keys.end();
  };
  return std::ranges::any_of(baseline_.global_filters, looks) ||
         std::ranges::any_of(baseline_.approval_rules,
                             [&](const PatchRule& rule) { return std::ranges::any_of(rule.filters, looks); });
}

Approval Approver::judge(const Offer& offer, const Match& match, Instant released) const {
  if (const auto entry = rejected_.find(offer); entry >= 0) {
    Approval approval;
    approval.rejected = true;
    approval.by = DecidedBy::rejected_patches;
    approval.entry_index = entry;
    return approval;
  }
  Approval approval = judge_rules(match, released);
  const auto entry = approved_.find(offer);
  if (entry < 0) return approval;
  if (!match.candidate && !baseline_.approved_patches_enable_non_security) {
    if (approval.approved || nearness(approval.by) > nearness(DecidedBy::non_security)) return approval;
    approval.by = DecidedBy::non_security;
    approval.rule_index = -1;
    approval.entry_index = entry;
    return approval;
  }
  approval.explicitly = true;
  const auto level = baseline_.approved_patches_compliance_level;
  if (approval.approved && approval.level > level) return approval;  // a rule says more
  approval.approved = true;
  approval.level = level;
  approval.by = DecidedBy::approved_patches;
  approval.rule_index = -1;
  approval.entry_index = entry;
  approval.approved_at.reset();
  return approval;
}

Approval Approver::judge_rules(const Match& match, Instant released) const {
  Approval approval;
  if (match.dropped) approval.by = DecidedBy::global_filters;
  for (std::uint64_t rest = match.rules; rest != 0; rest &= rest - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(rest));
    if (!match.candidate && !baseline_.approval_rules[i].enable_non_security)
      note(approval, DecidedBy::non_security, i);
    else judge_date(i, released, approval);
  }
  return approval;
}

Approver::Outline Approver::outline(const Match& match, Instant released) const {
  Outline outline;
  for (std::uint64_t rest = match.rules; rest != 0; rest &= rest - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(rest));
    const auto& rule = baseline_.approval_rules[i];
    if (!match.candidate && !rule.enable_non_security) continue;
    if (released >= approve_before_[i]) {
      outline.waits = true;
      continue;
    }
    outline.approved = true;
    outline.level = std::max(outline.level, rule.compliance_level);
  }
  outline.waits &= !outline.approved;
  return outline;
}

void Approver::judge_date(std::size_t rule_index, Instant released, Approval& approval) const {
  const auto& rule = baseline_.approval_rules[rule_index];
  const bool in_time = released < approve_before_[rule_index];
  if (rule.approve_until_date) {
    if (in_time) approve(approval, rule_index, rule.compliance_level, std::nullopt);
    else note(approval, DecidedBy::until_date, rule_index);
    return;
  }
  const Instant over = floor<days>(released) + days(rule.approve_after_days.value_or(0));
  if (in_time) return approve(approval, rule_index, rule.compliance_level, over);
  approval.changes_at = std::min(approval.changes_at.value_or(over), over);
  if (approval.approved) return;
  if (approval.by == DecidedBy::delay && *approval.approved_at <= over) return;
  approval.by = DecidedBy::delay;
  approval.rule_index = static_cast<std::int32_t>(rule_index);
  approval.approved_at = over;
}

Decision Approver::explain(const Approval& approval, const OfferDate& when) const {
  Decision decision{approval.by, approval.rule_index, {}, {}};
  const std::string rule = "rule " + std::to_string(approval.rule_index + 1);
  const std::string date = when.released     ? "released " + to_date(*when.released)
                           : when.first_seen ? "first seen " + to_date(*when.first_seen)
                                             : "first seen today";
  const auto* of =
      approval.rule_index >= 0 ? &baseline_.approval_rules[static_cast<std::size_t>(approval.rule_index)] : nullptr;
  const auto entry_of = [&](const std::vector<std::string>& list) {
    return approval.entry_index >= 0 ? list[static_cast<std::size_t>(approval.entry_index)] : std::string();
  };
  switch (approval.by) {
    case DecidedBy::approval_rule:
      decision.text = rule + " approves it (" + date;
      if (of->approve_until_date) decision.text += ", not after " + *of->approve_until_date;
      else if (of->approve_after_days.value_or(0) > 0)
        decision.text +=
            ", " + std::to_string(*of->approve_after_days) + " days over since " + to_date(*approval.approved_at);
      decision.text += ")";
      break;
    case DecidedBy::approved_patches:
      decision.entry = entry_of(baseline_.approved_patches);
      decision.text = "the approved patches name it: '" + decision.entry + "'";
      break;
    case DecidedBy::rejected_patches:
      decision.entry = entry_of(baseline_.rejected_patches);
      decision.text = "the rejected patches name it: '" + decision.entry + "'";
      break;
    case DecidedBy::delay:
      decision.text = rule + " approves it on " + to_date(*approval.approved_at) + " (" + date + ", a delay of " +
                      std::to_string(of->approve_after_days.value_or(0)) + " days)";
      break;
    case DecidedBy::until_date:
      decision.text = rule + " approves only what was released until " + *of->approve_until_date + " (" + date + ")";
      break;
    case DecidedBy::non_security:
      decision.entry = entry_of(baseline_.approved_patches);
      decision.text = of ? rule + " matches it but approves security updates only"
                         : "the approved patches name it ('" + decision.entry + "') but approve security updates only";
      break;
    case DecidedBy::global_filters: decision.text = "the global filters drop it"; break;
    case DecidedBy::no_rule: decision.text = "no rule and no list of the baseline matches it"; break;
    case DecidedBy::not_offered:
      decision.text = "no repository of the node carries this version, so nothing is known of it";
      break;
    case DecidedBy::override_list: decision.text = "the override list names it"; break;
  }
  return decision;
}

OfferDate date_of(const Offer& offer, const FirstSeen& first_seen) {
  if (offer.released_at) return {offer.released_at, {}};
  const auto seen = first_seen.find({offer.name, offer.version});
  return {{}, seen == first_seen.end() ? std::nullopt : std::optional(seen->second)};
}

}  // namespace belay::baseline
