#include "core/baseline/evaluate.hpp"

#include <algorithm>
#include <set>
#include <span>
#include <tuple>

#include "core/baseline/approval.hpp"
#include "core/baseline/filter.hpp"
#include "core/fleet/version_order.hpp"

namespace belay::baseline {
namespace {

using fleet::InstalledPackage;
using fleet::Offer;

// An offer as one installed package meets it.
struct Candidate {
  const Offer* offer;
  Approval approval;
  OfferDate date;
};

template <typename Item>
std::vector<const Item*> sorted_by_name(const std::vector<Item>& items) {
  std::vector<const Item*> sorted;
  sorted.reserve(items.size());
  for (const auto& item : items) sorted.push_back(&item);
  // By place in the set where names are the same: libstdc++ 12's stable_sort does not compile without warnings.
  const auto less = [](const Item* a, const Item* b) {
    return std::tie(a->name, a->arch, a) < std::tie(b->name, b->arch, b);
  };
  if (!std::ranges::is_sorted(sorted, less)) std::ranges::sort(sorted, less);
  return sorted;
}

class SetJudge {
 public:
  explicit SetJudge(const EvaluationInput& input)
      : input_(input),
        approver_(input.baseline, input.installed.format, input.product, input.now),
        installed_(sorted_by_name(input.installed.packages)),
        offers_(sorted_by_name(input.offers.offers)) {}

  Evaluation judge() {
    Evaluation evaluation;
    evaluation.baseline_id = input_.baseline.id;
    evaluation.evaluated_at = input_.now;
    for (std::size_t i = 0; i < installed_.size();) {
      const InstalledPackage* newest = installed_[i];
      for (++i; i < installed_.size() && installed_[i]->name == newest->name && installed_[i]->arch == newest->arch;
           ++i)
        if (compare(installed_[i]->version, newest->version) > 0) newest = installed_[i];
      evaluation.verdicts.push_back(judge_package(*newest));
    }
    evaluation.counts.not_applicable = count_not_applicable();
    evaluation.changes_at = changes_at_;
    return evaluation;
  }

 private:
  std::strong_ordering compare(std::string_view a, std::string_view b) const {
    return fleet::compare_versions(input_.installed.format, a, b);
  }

  std::span<const Offer* const> offers_of(std::string_view name) const {
    const auto range =
        std::ranges::equal_range(offers_, name, {}, [](const Offer* offer) { return std::string_view(offer->name); });
    return {range.begin(), range.end()};
  }

  Candidate meet(const Offer& offer) {
    const auto date = date_of(offer, input_.first_seen);
    Candidate candidate{&offer, approver_.judge(offer, date.known().value_or(input_.now)), date};
    if (const auto at = candidate.approval.changes_at) changes_at_ = std::min(changes_at_.value_or(*at), *at);
    return candidate;
  }

  PatchVerdict judge_package(const InstalledPackage& installed) {
    present_.clear();
    newer_.clear();
    for (const Offer* offer : offers_of(installed.name)) {
      if (!fleet::can_replace(offer->arch, installed.arch)) continue;
      const auto order = compare(offer->version, installed.version);
      if (order == 0) present_.push_back(meet(*offer));
      else if (order > 0) newer_.push_back(meet(*offer));
    }
    PatchVerdict verdict;
    verdict.name = installed.name;
    verdict.arch = installed.arch;
    verdict.installed_version = installed.version;
    judge_installed(verdict);
    judge_newer(verdict);
    judge_held_back(verdict);
    set_age(verdict, input_.now);
    return verdict;
  }

  // The installed version as such: in the baseline, beside it, or rejected by it.
  void judge_installed(PatchVerdict& verdict) {
    if (present_.empty()) return judge_unoffered(verdict);
    const auto rank = [](const Candidate& c) {
      return std::tuple(c.approval.approved, c.approval.level, is_security(*c.offer), severity_rank(c.offer->severity));
    };
    const Candidate& best = *std::ranges::max_element(present_, {}, rank);
    describe(verdict, best);
    verdict.compliance_level = best.approval.level;
    const auto rejected = std::ranges::find_if(present_, [](const Candidate& c) { return c.approval.rejected; });
    if (rejected != present_.end()) reject(verdict, rejected->approval);
    else if (best.approval.approved) verdict.state = PatchState::INSTALLED;
  }

  // No repository carries it any more. Its name alone can be on the lists; of its origin nothing is known.
  void judge_unoffered(PatchVerdict& verdict) {
    Offer offer;
    offer.name = verdict.name;
    offer.arch = verdict.arch;
    offer.version = verdict.installed_version;
    const auto approval = approver_.judge(offer, input_.now);
    if (approval.rejected) return reject(verdict, approval);
    if (approval.explicitly) {
      verdict.state = PatchState::INSTALLED;
      verdict.compliance_level = approval.level;
      verdict.decision = approver_.explain(approval, {});
      return;
    }
    Approval unknown;
    unknown.by = DecidedBy::not_offered;
    verdict.decision = approver_.explain(unknown, {});
  }

  void reject(PatchVerdict& verdict, const Approval& approval) {
    const bool block = input_.baseline.rejected_patches_action == RejectedPatchesAction::BLOCK;
    verdict.state = block ? PatchState::INSTALLED_REJECTED : PatchState::INSTALLED_OTHER;
    verdict.compliance_level = ComplianceLevel::UNSPECIFIED;
    verdict.decision = approver_.explain(approval, {});
  }

  // Of several approved versions the latest is wanted; what it brings is told of all of them.
  void judge_newer(PatchVerdict& verdict) {
    const Candidate* wanted = nullptr;
    const Candidate* told = nullptr;
    auto level = ComplianceLevel::UNSPECIFIED;
    const auto rank = [](const Candidate& c) {
      return std::tuple(is_security(*c.offer), severity_rank(c.offer->severity));
    };
    for (const auto& candidate : newer_) {
      if (!candidate.approval.approved) continue;
      level = std::max(level, candidate.approval.level);
      if (!wanted || compare(candidate.offer->version, wanted->offer->version) > 0) wanted = &candidate;
      if (!told || rank(candidate) > rank(*told) ||
          (rank(candidate) == rank(*told) && compare(candidate.offer->version, told->offer->version) > 0))
        told = &candidate;
    }
    if (!wanted) return;
    verdict.wanted_version = wanted->offer->version;
    if (verdict.state == PatchState::INSTALLED_REJECTED) return;
    verdict.state = PatchState::MISSING;
    describe(verdict, *told);
    verdict.compliance_level = level;
    verdict.decision = approver_.explain(wanted->approval, wanted->date);
    gather_ids(verdict);
  }

  void gather_ids(PatchVerdict& verdict) const {
    std::set<std::string> advisories, cves;
    for (const auto& candidate : newer_) {
      if (!candidate.approval.approved) continue;
      advisories.insert(candidate.offer->advisory_ids.begin(), candidate.offer->advisory_ids.end());
      cves.insert(candidate.offer->cve_ids.begin(), candidate.offer->cve_ids.end());
    }
    verdict.advisory_ids.assign(advisories.begin(), advisories.end());
    verdict.cve_ids.assign(cves.begin(), cves.end());
  }

  // What is known above the installed and the wanted version and not approved: a security update that waits for its
  // day first, then whatever is newest.
  void judge_held_back(PatchVerdict& verdict) {
    const auto waits = [](const Candidate& c) {
      return is_security(*c.offer) && (c.approval.by == DecidedBy::delay || c.approval.by == DecidedBy::until_date);
    };
    const Candidate* held = nullptr;
    for (const auto& candidate : newer_) {
      if (candidate.approval.approved) continue;
      if (!verdict.wanted_version.empty() && compare(candidate.offer->version, verdict.wanted_version) <= 0) continue;
      if (!held || waits(candidate) > waits(*held) ||
          (waits(candidate) == waits(*held) && compare(candidate.offer->version, held->offer->version) > 0))
        held = &candidate;
    }
    if (!held) return hide_details(verdict);
    const auto& offer = *held->offer;
    HeldBack back{offer.version,
                  is_security(offer),
                  classification_of(offer),
                  offer.severity,
                  offer.advisory_ids,
                  offer.cve_ids,
                  held->date.released,
                  held->date.first_seen,
                  std::nullopt,
                  approver_.explain(held->approval, held->date)};
    if (held->approval.by == DecidedBy::delay) back.until = held->approval.approved_at;
    verdict.held_back = std::move(back);
    if (waits(*held) && (verdict.state == PatchState::INSTALLED || verdict.state == PatchState::INSTALLED_OTHER) &&
        verdict.decision.by != DecidedBy::rejected_patches) {
      verdict.state = PatchState::AVAILABLE_SECURITY_UPDATE;
      verdict.compliance_level = ComplianceLevel::UNSPECIFIED;
      describe(verdict, *held);
    }
    hide_details(verdict);
  }

  static void hide_details(PatchVerdict& verdict) {
    if (verdict.state != PatchState::INSTALLED_OTHER) return;
    verdict.classification.clear();
    verdict.severity.clear();
  }

  static std::string classification_of(const Offer& offer) {
    return offer.classification.empty() && is_security(offer) ? "Security" : offer.classification;
  }

  void describe(PatchVerdict& verdict, const Candidate& candidate) const {
    const auto& offer = *candidate.offer;
    verdict.classification = classification_of(offer);
    verdict.severity = offer.severity;
    verdict.security = is_security(offer);
    verdict.advisory_ids = offer.advisory_ids;
    verdict.cve_ids = offer.cve_ids;
    verdict.released_at = candidate.date.released;
    verdict.first_seen_at = candidate.date.first_seen;
    verdict.decision = approver_.explain(candidate.approval, candidate.date);
  }

  bool is_installed(std::string_view name, std::string_view arch) const {
    const auto range = std::ranges::equal_range(installed_, name, {},
                                                [](const InstalledPackage* p) { return std::string_view(p->name); });
    return std::ranges::any_of(
        range, [&](const InstalledPackage* p) { return arch.empty() || fleet::can_replace(arch, p->arch); });
  }

  // Approved and not installed: each package that is on offer, and each name of the approved list that is not.
  std::uint32_t count_not_applicable() {
    std::set<std::pair<std::string_view, std::string_view>> approved;
    for (const Offer* offer : offers_)
      if (!approved.contains({offer->name, offer->arch}) && !is_installed(offer->name, offer->arch) &&
          meet(*offer).approval.approved)
        approved.emplace(offer->name, offer->arch);
    auto count = static_cast<std::uint32_t>(approved.size());
    if (input_.installed.format != fleet::PackageFormat::deb) return count;
    for (const std::set<std::string_view> names(input_.baseline.approved_patches.begin(),
                                                input_.baseline.approved_patches.end());
         const auto name : names)
      count += is_plain_package_name(name) && !is_installed(name, "") && offers_of(name).empty();
    return count;
  }

  const EvaluationInput& input_;
  Approver approver_;
  std::vector<const InstalledPackage*> installed_;
  std::vector<const Offer*> offers_;
  std::vector<Candidate> present_, newer_;  // of the package at hand
  std::optional<Instant> changes_at_;
};

}  // namespace

void set_age(PatchVerdict& verdict, Instant now) {
  const auto since = verdict.released_at ? verdict.released_at : verdict.first_seen_at;
  if (since) verdict.age = std::max(now - *since, Duration(0));
}

Evaluation judge_set(const EvaluationInput& input) { return apply_node(SetJudge(input).judge(), input.baseline, {}); }

Evaluation evaluate(const EvaluationInput& input, const NodeState& node) {
  return apply_node(judge_set(input), input.baseline, node);
}

}  // namespace belay::baseline
