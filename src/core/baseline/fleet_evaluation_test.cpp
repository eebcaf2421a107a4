// The fast way beside the plain one: over made fleets and baselines, every counter of every node must be the same.
#include "core/baseline/fleet_evaluation.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/json.hpp"
#include "core/baseline/test_values.hpp"

namespace belay::baseline {
namespace {

using namespace test;
using fleet::FleetIndex;
using fleet::OfferSet;
using fleet::PackageFormat;
using fleet::PackageSet;
using enum PatchFilterKey;

constexpr std::uint64_t kSeed = 20261124;
constexpr std::string_view kProduct = "RedhatEnterpriseLinux9.4";

class Fleet {
 public:
  Fleet(std::uint64_t seed, PackageFormat format)
      : random_(seed), format_(format), channel_(index_.add_channel("all", format)) {
    for (int i = 0; i < 150; ++i) index_.add_patch(channel_, patch());
    for (int i = 0; i < 25; ++i) index_.add_set(channel_, set());
    for (int i = 0; i < 60; ++i) index_.add_node(static_cast<fleet::SetId>(below(25)));
    index_.build();
  }

  std::size_t below(std::size_t bound) { return random_() % bound; }
  std::string name() { return "p" + std::to_string(below(30)); }
  std::string arch() {
    return below(5) == 0 ? (format_ == PackageFormat::deb ? "all" : "noarch") : below(4) == 0 ? "i686" : "x86_64";
  }
  std::string version() { return std::to_string(1 + below(3)) + "." + std::to_string(below(4)) + "-1"; }

  Offer patch() {
    const std::string date = "2026-11-" + std::to_string(10 + below(14));
    Offer made = below(3) == 0 ? plain(version(), date)
                 : below(2)    ? bugfix(version(), date)
                               : security(version(), date, below(2) ? "Critical" : "Low");
    if (below(8) == 0) made.released_at.reset();
    made.name = name();
    made.arch = arch();
    return made;
  }

  PackageSet set() {
    PackageSet made{format_, {}};
    for (int i = 0; i < 20; ++i) made.packages.push_back({name(), arch(), version()});
    std::ranges::sort(made.packages);
    return made;
  }

  PatchBaseline baseline_of(OperatingSystem system) {
    static const std::vector<ComplianceLevel> levels{ComplianceLevel::UNSPECIFIED, ComplianceLevel::LOW,
                                                     ComplianceLevel::CRITICAL};
    PatchBaseline made = baseline({}, {}, system);
    for (std::size_t i = below(4); i-- > 0;) {
      auto one = rule({.days = static_cast<int>(below(12)), .non_security = below(2) == 0, .level = levels[below(3)]});
      if (below(2)) one.filters = {{CLASSIFICATION, {below(2) ? "Security" : "Bugfix"}}};
      if (below(6) == 0) one.filters.push_back({NAME, {"p1*"}});  // one that a profile does not hold
      made.approval_rules.push_back(one);
    }
    if (below(2)) made.approved_patches = {"p1*", below(2) ? "CVE-2026-1234" : "2.1-1"};
    if (below(2)) made.rejected_patches = {"p2", "p3*1.1*", "p4", below(2) ? "*9" : "998877"};
    if (below(4) == 0) made.global_filters = {{CLASSIFICATION, {"Security"}}};
    made.approved_patches_enable_non_security = below(2);
    if (below(2)) made.rejected_patches_action = RejectedPatchesAction::BLOCK;
    if (below(2))
      made.available_security_updates_compliance_status = AvailableSecurityUpdatesComplianceStatus::NON_COMPLIANT;
    return made;
  }

  FleetIndex index_;

 private:
  std::mt19937_64 random_;
  PackageFormat format_;

 public:
  fleet::ChannelId channel_;
};

SetCounts counts_of(Evaluation evaluation) {
  evaluation.counts.not_applicable = 0;
  return {evaluation.counts, evaluation.compliant, evaluation.severity};
}

void expect_same(const FleetIndex& index, const BaselineColumn& column, const std::string& where) {
  const auto all = column.counts_of_every_set();
  for (fleet::SetId set = 0; set < index.sets(); ++set) {
    const auto naive = counts_of(verdicts(index, set, column.baseline(), kProduct, kNow));
    ASSERT_EQ(all[set], naive) << where << " set " << set << "\nfast  " << json::encode_text(all[set].counts)
                               << "\nnaive " << json::encode_text(naive.counts) << "\n"
                               << json::encode_text(column.baseline());
  }
}

TEST(FleetEvaluation, AgreesWithJudgingEachNode) {
  for (const auto& [format, system] : {std::pair{PackageFormat::rpm, OperatingSystem::REDHAT_ENTERPRISE_LINUX},
                                       {PackageFormat::deb, OperatingSystem::DEBIAN}})
    for (std::uint64_t round = 0; round < 60; ++round) {
      Fleet fleet(kSeed + round, format);
      const auto by = fleet.baseline_of(system);
      const BaselineColumn column(fleet.index_, by, kProduct, kNow);
      expect_same(fleet.index_, column, "seed " + std::to_string(kSeed + round));
      const auto of_nodes = counts_of_nodes(fleet.index_, std::span(&column, 1), std::vector<std::uint32_t>(60, 0));
      for (fleet::NodeIndex node = 0; node < 60; ++node)
        ASSERT_EQ(of_nodes[node], column.counts(fleet.index_.set_of(node)));
    }
}

TEST(FleetEvaluation, ANewPatchChangesExactlyTheAffectedSets) {
  for (std::uint64_t round = 0; round < 60; ++round) {
    Fleet fleet(kSeed + 1'000 + round, PackageFormat::rpm);
    const auto by = fleet.baseline_of(OperatingSystem::REDHAT_ENTERPRISE_LINUX);
    BaselineColumn column(fleet.index_, by, kProduct, kNow);
    const auto before = column.counts_of_every_set();
    auto offer = fleet.patch();
    const auto patch = fleet.index_.add_patch(fleet.channel_, offer);
    column.add_patch(patch);
    expect_same(fleet.index_, column, "seed " + std::to_string(kSeed + 1'000 + round));
    const auto affected = fleet.index_.affected_by(patch);
    for (fleet::SetId set = 0; set < fleet.index_.sets(); ++set) {
      const bool is_affected = std::ranges::find(affected.sets, set) != affected.sets.end();
      bool has_it = false;  // who has the very version may be judged otherwise too: now it is classified
      for (const auto pair : fleet.index_.pairs_of(set))
        has_it |= std::ranges::find(fleet.index_.present(pair), patch) != fleet.index_.present(pair).end();
      if (!is_affected && !has_it) ASSERT_EQ(before[set], column.counts(set));
    }
  }
}

TEST(FleetEvaluation, LeavesOtherFormatsUnjudged) {
  FleetIndex index;
  const auto set =
      index.add_set(index.add_channel("deb", PackageFormat::deb), {PackageFormat::deb, {{"a", "amd64", "1"}}});
  index.build();
  const auto by = baseline({rule()});
  EXPECT_EQ(BaselineColumn(index, by, kProduct, kNow).counts(set).counts.installed_other, 1u);
}

}  // namespace
}  // namespace belay::baseline
