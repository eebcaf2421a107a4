#pragma once
// One offered version through one baseline: the part of the order in evaluate.hpp that needs no node. Everything that
// judges (a node, a fleet, a list of effective patches) asks here, so that they cannot disagree.
#include <optional>
#include <vector>

#include "core/baseline/evaluate.hpp"
#include "core/baseline/patch_list.hpp"

namespace belay::baseline {

// When a version came to be, and by whose word: a date that the vendor gave, or the fleet's first sight of it. One of
// the two at most; where there is none, `now` counts.
struct OfferDate {
  std::optional<Instant> released, first_seen;
  std::optional<Instant> known() const { return released ? released : first_seen; }
};
OfferDate date_of(const fleet::Offer& offer, const FirstSeen& first_seen);

struct Approval {
  bool approved = false;
  bool rejected = false;                                 // an entry of rejected_patches names it
  bool explicitly = false;                               // an entry of approved_patches approves it
  ComplianceLevel level = ComplianceLevel::UNSPECIFIED;  // highest of all that approve
  DecidedBy by = DecidedBy::no_rule;
  std::int32_t rule_index = -1;
  std::int32_t entry_index = -1;       // of approved_patches or rejected_patches
  std::optional<Instant> approved_at;  // by a rule with days: when the delay was or will be over
  std::optional<Instant> changes_at;   // the next time at which a delay ends; the level may rise though it is approved
};

// Keeps a reference to the baseline and copies nothing else: make one, judge many.
class Approver {
 public:
  // product: as in EvaluationInput; both must outlive the approver.
  Approver(const PatchBaseline& baseline, fleet::PackageFormat format, std::string_view product, Instant now);

  // `released`: the date that date_of() knows, whichever it is.
  Approval judge(const fleet::Offer& offer, Instant released) const { return judge(offer, match(offer), released); }

  // What an offer's attributes say, whatever its name, version, ids and date: the same for many offers, unless
  // looks_at_names(). judge() in two steps is for who judges tens of thousands.
  struct Match {
    std::uint64_t rules = 0;  // bit i: the filters of rule i match
    bool dropped = false;     // by the global filters
    bool candidate = false;   // passes where non-security is not enabled
  };
  Match match(const fleet::Offer& offer) const;
  Approval judge(const fleet::Offer& offer, const Match& match, Instant released) const;
  // What the rules say where no list names the offer, and nothing but that.
  struct Outline {
    bool approved = false;
    bool waits = false;  // not approved, and a date is all that is in the way
    ComplianceLevel level = ComplianceLevel::UNSPECIFIED;
  };
  Outline outline(const Match& match, Instant released) const;
  const PatchList& approved() const { return approved_; }
  const PatchList& rejected() const { return rejected_; }
  bool has_lists() const { return !approved_.empty() || !rejected_.empty(); }
  // Some filter looks at more than a profile of fleet_index.hpp holds.
  bool looks_at_names() const;
  // One sentence and the names, for a person.
  Decision explain(const Approval& approval, const OfferDate& date) const;

 private:
  Approval judge_rules(const Match& match, Instant released) const;
  void judge_date(std::size_t rule_index, Instant released, Approval& approval) const;
  bool is_candidate(const fleet::Offer& offer) const;

  const PatchBaseline& baseline_;
  std::string_view product_;
  Instant now_;
  fleet::PackageFormat format_;
  PatchList approved_, rejected_;
  std::vector<Instant> approve_before_;  // by rule: what was released before is approved; the least instant for never
};

}  // namespace belay::baseline
