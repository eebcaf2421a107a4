#include "core/baseline/fleet_evaluation.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "base/assert.hpp"
#include "core/baseline/filter.hpp"

namespace belay::baseline {
namespace {

using fleet::PairId;
using fleet::PatchId;
using fleet::SetId;

enum Flag : std::uint8_t {
  kApproved = 1,
  kRejected = 2,
  kSecurity = 4,
  kWaits = 8,  // approved by time alone
};

// A package's verdict as one small number: first how bad it is (0: compliant, else 1 + level), so that the greatest
// code of a set tells its severity; then state and security.
constexpr unsigned kLevels = 6, kStates = 5;
enum State : unsigned { kInstalled, kOther, kRejectedState, kMissing, kAvailable };
constexpr unsigned kCritical = 5, kSecurityLane = 6, kOtherLane = 7;  // lanes after the states'
constexpr unsigned kCodesOfLevel = kStates * 2;

constexpr std::uint64_t lane(unsigned place) { return std::uint64_t{1} << (8 * place); }

}  // namespace

BaselineColumn::BaselineColumn(const fleet::FleetIndex& index, const PatchBaseline& baseline, std::string_view product,
                               Instant now)
    : index_(&index),
      baseline_(&baseline),
      now_(now),
      format_(*fleet::package_format(baseline.operating_system)),
      approver_(baseline, format_, product, now),
      names_matter_(approver_.looks_at_names()),
      marks_(index.patches()),
      codes_(index.pairs()) {
  make_lanes();
  find_listed();
  for (PatchId patch = 0; patch < index.patches(); ++patch) judge_patch(patch);
  for (fleet::PackageId package = 0; package < index.packages(); ++package) judge_package(package);
}

std::uint8_t BaselineColumn::code_of(unsigned state, unsigned level, bool security) const {
  const bool available_counts = baseline_->available_security_updates_compliance_status ==
                                AvailableSecurityUpdatesComplianceStatus::NON_COMPLIANT;
  const bool bad = state == kRejectedState || state == kMissing || (state == kAvailable && available_counts);
  return static_cast<std::uint8_t>((bad ? 1 + level : 0) * kCodesOfLevel + state * 2 + security);
}

void BaselineColumn::make_lanes() {
  lanes_.resize(256);
  for (unsigned code = 0; code < (1 + kLevels) * kCodesOfLevel; ++code) {
    const unsigned bad = code / kCodesOfLevel, state = code % kCodesOfLevel / 2;
    const bool critical = bad == 1 + static_cast<unsigned>(ComplianceLevel::CRITICAL), security = code % 2 != 0;
    lanes_[code] = lane(state);
    if (bad == 0) continue;
    if (critical) lanes_[code] += lane(kCritical);
    if (security) lanes_[code] += lane(kSecurityLane);
    if (!critical && !security) lanes_[code] += lane(kOtherLane);
  }
}

// Attributes are matched once for each profile, unless a filter looks at more than that.
const Approver::Match& BaselineColumn::match_of(PatchId patch) {
  if (names_matter_) {
    whole_match_ = approver_.match(index_->patch(patch));
    return whole_match_;
  }
  const auto profile = index_->profile_of(patch);
  for (auto next = static_cast<fleet::ProfileId>(matches_.size()); next <= profile; ++next)
    matches_.push_back(approver_.match(index_->profile(next)));
  return matches_[profile];
}

// Lists are short and patches are many: find by name and by id whom an entry could mean, and ask only about those.
void BaselineColumn::find_listed() {
  listed_.assign(index_->patches(), false);
  listed_names_.assign(index_->names(), false);
  const std::array lists{&approver_.approved(), &approver_.rejected()};
  for (const auto* list : lists) {
    if (list->empty()) continue;
    all_listed_ |=
        list->has_advisory_globs() || (index_->has_letter_versions() && format_ == fleet::PackageFormat::rpm);
    for (const auto entry : list->entries())
      for (const auto patch : index_->patches_with_id(entry)) listed_[patch] = true;
    for (fleet::NameId name = 0; name < index_->names(); ++name)
      if (list->may_name(index_->name_text(name))) {
        listed_names_[name] = true;
        for (const auto patch : index_->patches_of_name(name)) listed_[patch] = true;
      }
  }
}

void BaselineColumn::judge_patch(PatchId patch) {
  if (index_->format(index_->channel_of_patch(patch)) != format_) return;
  const auto& match = match_of(patch);
  const Instant released = index_->released_of(patch).value_or(now_);
  const bool security = is_security(index_->profile(index_->profile_of(patch)));
  std::uint8_t flags = security ? kSecurity : 0;
  auto level = ComplianceLevel::UNSPECIFIED;
  if (approver_.has_lists() && (all_listed_ || listed_[patch])) {
    const Approval approval = approver_.judge(index_->patch(patch), match, released);
    const bool waits = approval.by == DecidedBy::delay || approval.by == DecidedBy::until_date;
    flags |= approval.approved ? kApproved : approval.rejected ? kRejected : waits ? kWaits : 0;
    level = approval.level;
  } else {
    const auto outline = approver_.outline(match, released);
    flags |= outline.approved ? kApproved : outline.waits ? kWaits : 0;
    level = outline.level;
  }
  marks_[patch] = {flags, static_cast<std::uint8_t>(level)};
}

// What is newer is summed up from the newest down, so that every version of the package finds its part ready.
void BaselineColumn::judge_package(fleet::PackageId package) {
  const auto pairs = index_->pairs_of_package(package);
  if (index_->format(index_->channel_of_package(package)) != format_) {
    for (const auto pair : pairs) codes_[pair] = code_of(kOther, 0, false);
    return;
  }
  const auto patches = index_->patches_of_package(package);
  above_.assign(patches.size() + 1, {});
  for (std::size_t i = patches.size(); i-- > 0;) {
    const auto mark = marks_[patches[i]];
    const bool approved = (mark.flags & kApproved) != 0, security = (mark.flags & kSecurity) != 0;
    above_[i] = above_[i + 1];
    above_[i].waiting |= security && (mark.flags & kWaits) != 0;
    above_[i].missing |= approved;
    above_[i].security |= approved && security;
    if (approved) above_[i].level = std::max(above_[i].level, mark.level);
  }
  for (const auto pair : pairs) {
    const auto range = index_->range(pair);
    codes_[pair] = judge_pair(pair, patches.subspan(range.present, range.newer - range.present), above_[range.newer]);
  }
}

// The same order as SetJudge in evaluate.cpp, over flags: the tests hold the two together.
std::uint8_t BaselineColumn::judge_pair(PairId pair, std::span<const PatchId> present, const Above& above) const {
  const Installed installed = judge_installed(pair, present);
  if (installed.rejected && baseline_->rejected_patches_action == RejectedPatchesAction::BLOCK)
    return code_of(kRejectedState, 0, installed.security);
  if (above.missing) return code_of(kMissing, above.level, above.security);
  if (above.waiting && !installed.rejected) return code_of(kAvailable, 0, true);
  return code_of(installed.approved && !installed.rejected ? kInstalled : kOther, 0, false);
}

BaselineColumn::Installed BaselineColumn::judge_installed(PairId pair, std::span<const PatchId> present) const {
  Installed best;
  if (present.empty()) {  // only the lists can know it, by its name
    if (!all_listed_ && !listed_names_[index_->name_of_package(index_->package_of(pair))]) return best;
    auto package = index_->package(pair);
    fleet::Offer offer;
    offer.name = std::move(package.name);
    offer.arch = std::move(package.arch);
    offer.version = std::move(package.version);
    const Approval approval = approver_.judge(offer, now_);
    return {approval.explicitly, approval.rejected, false, 0};
  }
  bool rejected = false;
  for (const auto patch : present) {
    const auto mark = marks_[patch];
    const Installed one{(mark.flags & kApproved) != 0, false, (mark.flags & kSecurity) != 0, mark.level};
    rejected |= (mark.flags & kRejected) != 0;
    if (std::tie(one.approved, one.level, one.security) > std::tie(best.approved, best.level, best.security))
      best = one;
  }
  best.rejected = rejected;
  return best;
}

void BaselineColumn::add_patch(PatchId patch) {
  BELAY_ASSERT(patch == marks_.size());
  marks_.emplace_back();
  listed_.push_back(true);
  judge_patch(patch);
  for (const auto package : index_->packages_of_patch(patch)) judge_package(package);
}

SetCounts BaselineColumn::counts(SetId set) const {
  std::span<const PairId> rest = index_->pairs_of(set);
  std::array<std::uint32_t, 8> sums{};
  std::uint8_t worst = 0;
  while (!rest.empty()) {  // a lane of 8 bits holds 255 packages
    const auto part = rest.first(std::min<std::size_t>(rest.size(), 255));
    std::uint64_t lanes = 0;
    for (const auto pair : part) {
      const std::uint8_t code = codes_[pair];
      lanes += lanes_[code];
      worst = std::max(worst, code);
    }
    for (unsigned place = 0; place < sums.size(); ++place)
      sums[place] += static_cast<std::uint32_t>(lanes >> (8 * place) & 0xff);
    rest = rest.subspan(part.size());
  }
  SetCounts made;
  made.counts.installed = sums[kInstalled];
  made.counts.installed_other = sums[kOther];
  made.counts.installed_rejected = sums[kRejectedState];
  made.counts.missing = sums[kMissing];
  made.counts.available_security_update = sums[kAvailable];
  made.counts.critical_non_compliant = sums[kCritical];
  made.counts.security_non_compliant = sums[kSecurityLane];
  made.counts.other_non_compliant = sums[kOtherLane];
  const unsigned bad = worst / kCodesOfLevel;
  made.compliant = bad == 0;
  if (bad != 0) made.severity = static_cast<ComplianceLevel>(bad - 1);
  return made;
}

std::vector<SetCounts> BaselineColumn::counts_of_every_set() const {
  std::vector<SetCounts> all(index_->sets());
  for (SetId set = 0; set < all.size(); ++set) all[set] = counts(set);
  return all;
}

std::vector<SetCounts> counts_of_nodes(const fleet::FleetIndex& index, std::span<const BaselineColumn> columns,
                                       std::span<const std::uint32_t> column_of_node) {
  BELAY_ASSERT(column_of_node.size() == index.nodes());
  std::vector<SetCounts> all(index.nodes());
  for (fleet::NodeIndex node = 0; node < all.size(); ++node)
    all[node] = columns[column_of_node[node]].counts(index.set_of(node));
  return all;
}

Evaluation verdicts(const fleet::FleetIndex& index, SetId set, const PatchBaseline& baseline, std::string_view product,
                    Instant now) {
  const auto installed = index.package_set(set);
  const auto offers = index.offer_set(set);
  return judge_set({installed, offers, baseline, product, now, {}});
}

}  // namespace belay::baseline
