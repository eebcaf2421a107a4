// Whole sets: levels, counters, what is not applicable, several architectures and versions; and properties that hold
// whatever the baseline says.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/json.hpp"
#include "core/baseline/test_values.hpp"

namespace belay::baseline {
namespace {

using namespace test;
using enum PatchState;
using enum ComplianceLevel;
using enum PatchFilterKey;
using OS = OperatingSystem;
using fleet::OfferSet;
using fleet::PackageFormat;
using fleet::PackageSet;

const FirstSeen kNothingSeen;

Offer named(Offer offer, std::string name, std::string arch = "x86_64") {
  offer.name = std::move(name);
  offer.arch = std::move(arch);
  return offer;
}

Evaluation judge_rpm(const PackageSet& set, const std::vector<Offer>& offers, const PatchBaseline& by,
                     const NodeState& node = {}) {
  const OfferSet on_offer{set.format, offers};
  return evaluate({set, on_offer, by, "RedhatEnterpriseLinux9.4", kNow, kNothingSeen}, node);
}

TEST(EvaluateSet,
     LevelIsTheHighestOfAllThatMatch) {  // [P] compliance level = highest over all matching rules and lists
  const auto critical = rule({.level = CRITICAL}, {{SEVERITY, {"Important"}}}), low = rule({.level = LOW});
  EXPECT_EQ(judge({security("1.1-1")}, baseline({low, critical})).verdicts[0].compliance_level, CRITICAL);
  EXPECT_EQ(judge({security("1.1-1")}, baseline({low})).verdicts[0].compliance_level, LOW);
  EXPECT_EQ(judge({security("1.1-1")}, baseline({low}, {approve({"pkg"}, false, HIGH)})).verdicts[0].compliance_level,
            HIGH);
  EXPECT_EQ(
      judge({security("1.1-1")}, baseline({critical}, {approve({"pkg"}, false, HIGH)})).verdicts[0].compliance_level,
      CRITICAL);
  // Wanting 1.2 still means to lack what 1.1 mends.
  const auto both = judge({security("1.1-1"), bugfix("1.2-1")}, baseline({low, critical})).verdicts[0];
  EXPECT_EQ(both.compliance_level, CRITICAL);
  EXPECT_EQ(both.wanted_version, "1.2-1");
  EXPECT_EQ(both.classification, "Security");
  EXPECT_TRUE(both.security);
  EXPECT_EQ(both.cve_ids, std::vector<std::string>{"CVE-2026-1234"});
}

TEST(EvaluateSet, CountsAsInstancePatchState) {
  const PackageSet set{PackageFormat::rpm,
                       {{"a-missing", "x86_64", "0:1-1"},
                        {"b-failed", "x86_64", "0:1-1"},
                        {"c-installed", "x86_64", "0:1-1"},
                        {"d-other", "x86_64", "0:1-1"},
                        {"e-rejected", "x86_64", "0:1-1"},
                        {"f-reboot", "x86_64", "0:1-1"},
                        {"g-available", "x86_64", "0:1-1"}}};
  const std::vector<Offer> offers{named(security("0:2-1"), "a-missing"),
                                  named(bugfix("0:2-1"), "b-failed"),
                                  named(security("0:1-1"), "c-installed"),
                                  named(plain("0:2-1"), "d-other"),
                                  named(security("0:2-1"), "e-rejected"),
                                  named(bugfix("0:1-1"), "f-reboot"),
                                  named(security("0:2-1", "2026-11-22"), "g-available"),
                                  named(security("0:2-1"), "z-not-installed")};
  const auto by = baseline({rule({.days = 7, .level = CRITICAL}, {{CLASSIFICATION, {"Security"}}}),
                            rule({.days = 7, .level = LOW}, {{CLASSIFICATION, {"Bugfix"}}})},
                           {reject({"e-rejected"}, RejectedPatchesAction::BLOCK)});
  const NodeState node{.failed = {{"b-failed", "", "", "script failed"}}, .pending_reboot = {{"f-reboot", "", "", ""}}};
  const auto evaluation = judge_rpm(set, offers, by, node);
  const PatchCounts expected{.installed = 1,
                             .installed_other = 1,
                             .installed_pending_reboot = 1,
                             .installed_rejected = 1,
                             .missing = 1,
                             .failed = 1,
                             .not_applicable = 1,
                             .unreported_not_applicable = 0,
                             .available_security_update = 1,
                             .critical_non_compliant = 1,
                             .security_non_compliant = 1,
                             .other_non_compliant = 3};
  EXPECT_EQ(evaluation.counts, expected) << json::encode_text(evaluation.counts);
  EXPECT_EQ(evaluation.severity, CRITICAL);
  EXPECT_FALSE(evaluation.compliant);
  EXPECT_EQ(evaluation.verdicts.size(), set.packages.size());  // what is not applicable is counted, not listed
  EXPECT_EQ(patch_id(evaluation.verdicts[0]), "a-missing.x86_64");
  EXPECT_EQ(patch_title(evaluation.verdicts[0]), "a-missing.x86_64:0:2-1");
  EXPECT_EQ(patch_title(evaluation.verdicts[2]), "c-installed.x86_64:0:1-1");
  EXPECT_EQ(evaluation.verdicts[3].classification, "");  // [P] left out for InstalledOther
}

TEST(EvaluateSet, SecurityAndCriticalMayBeTheSamePackage) {
  const auto counts = judge({security("1.1-1")}, baseline({rule({.level = CRITICAL})})).counts;
  EXPECT_EQ(counts.critical_non_compliant, 1u);
  EXPECT_EQ(counts.security_non_compliant, 1u);
  EXPECT_EQ(counts.other_non_compliant, 0u);
}

TEST(EvaluateSet, NotApplicableCountsNamesOfTheApprovedListToo) {
  const auto by = baseline({rule()}, {approve({"pkg", "curl", "wget*", "CVE-2026-1", "123456"})}, OS::DEBIAN);
  EXPECT_EQ(judge({deb("1.1-1", true)}, by).counts.not_applicable, 1u);  // curl alone names a package that is not there
}

TEST(EvaluateSet, ArchitecturesAreJudgedApart) {
  const PackageSet set{PackageFormat::rpm,
                       {{"glibc", "i686", "0:1-1"}, {"glibc", "x86_64", "0:2-1"}, {"tz", "noarch", "0:1-1"}}};
  const auto evaluation = judge_rpm(set,
                                    {named(security("0:2-1"), "glibc", "i686"), named(security("0:2-1"), "glibc"),
                                     named(security("0:2-1"), "tz", "x86_64")},
                                    baseline({rule()}));
  EXPECT_EQ(evaluation.verdicts[0].state, MISSING);
  EXPECT_EQ(evaluation.verdicts[1].state, INSTALLED);
  EXPECT_EQ(evaluation.verdicts[2].state, MISSING);  // noarch may become x86_64
}

TEST(EvaluateSet, TheNewestOfSeveralKernelsCounts) {
  const PackageSet set{PackageFormat::rpm,
                       {{"kernel", "x86_64", "0:5.14.0-362.el9"},
                        {"kernel", "x86_64", "0:5.14.0-427.el9"},
                        {"kernel", "x86_64", "0:5.14.0-70.el9"}}};
  const auto evaluation = judge_rpm(set, {named(security("0:5.14.0-427.el9"), "kernel")}, baseline({rule()}));
  ASSERT_EQ(evaluation.verdicts.size(), 1u);
  EXPECT_EQ(evaluation.verdicts[0].installed_version, "0:5.14.0-427.el9");
  EXPECT_EQ(evaluation.verdicts[0].state, INSTALLED);
}

TEST(EvaluateSet, TheSameVersionFromTwoRepositoriesIsSecurityIfOneIs) {
  auto main = deb("1.1-1", false), archive = deb("1.1-1", true);
  main.sha256 = archive.sha256 = std::string(64, 'a');
  archive.size_bytes = 7;
  const auto by = baseline({rule()}, {}, OS::DEBIAN);
  const auto evaluation = judge({main, archive}, by);
  EXPECT_EQ(evaluation.verdicts[0].state, MISSING);
  EXPECT_TRUE(evaluation.verdicts[0].security);
  const auto changes = wanted_changes(evaluation, {PackageFormat::deb, {archive, main}});
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].from_version, "1.0-1");
  EXPECT_EQ(changes[0].to_version, "1.1-1");
  EXPECT_EQ(changes[0].size_bytes, 7u);
}

TEST(EffectivePatches, SaysApprovedPendingAndRejected) {
  const OfferSet offers{
      PackageFormat::rpm,
      {named(security("1-1"), "approved"), named(security("1-1", "2026-11-22"), "pending"),
       named(security("1-1"), "rejected"), named(plain("1-1"), "listed"), named(plain("1-1"), "left-out")}};
  const auto by = baseline({rule({.days = 7, .level = HIGH})}, {approve({"listed"}, true), reject({"rejected"})});
  const auto patches = effective_patches(offers, by, "RedhatEnterpriseLinux9", kNow, kNothingSeen);
  ASSERT_EQ(patches.size(), 4u);
  EXPECT_EQ(patches[0].status, DeploymentStatus::APPROVED);
  EXPECT_EQ(patches[0].compliance_level, HIGH);
  EXPECT_EQ(patches[0].approval_date, at("2026-01-08"));
  EXPECT_EQ(patches[1].status, DeploymentStatus::PENDING_APPROVAL);
  EXPECT_EQ(patches[1].approval_date, at("2026-11-29"));
  EXPECT_EQ(patches[2].status, DeploymentStatus::EXPLICIT_REJECTED);
  EXPECT_EQ(patches[3].status, DeploymentStatus::EXPLICIT_APPROVED);
}

// ---- properties, over made baselines and offers
constexpr std::uint64_t kSeed = 20261123;

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) { return random_() % bound; }
  template <typename T>
  T one_of(std::initializer_list<T> choices) {
    return *(choices.begin() + below(choices.size()));
  }

  Offer make_offer(const std::string& name) {
    const std::string version = "0:" + std::to_string(1 + below(4)) + "-" + std::to_string(1 + below(2));
    const std::string date = "2026-11-" + std::to_string(10 + below(14));
    auto made = one_of<int>({0, 1, 2}) == 0 ? plain(version, date)
                : below(2)                  ? bugfix(version, date)
                           : security(version, date, one_of<const char*>({"Critical", "Important", "Low"}));
    if (below(6) == 0) made.released_at.reset();
    return named(std::move(made), name);
  }

  PatchRule make_rule() {
    auto made = rule({.days = static_cast<int>(below(10)),
                      .non_security = below(3) == 0,
                      .level = one_of({UNSPECIFIED, LOW, HIGH, CRITICAL})});
    if (below(4) == 0)
      made.approve_after_days.reset(), made.approve_until_date = "2026-11-1" + std::to_string(below(10));
    if (below(2)) made.filters.push_back({CLASSIFICATION, {one_of<const char*>({"Security", "Bugfix"})}});
    if (below(3) == 0) made.filters.push_back({SEVERITY, {one_of<const char*>({"Critical", "Important", "*"})}});
    return made;
  }

  PatchBaseline make_baseline() {
    PatchBaseline made = baseline({});
    for (std::size_t i = below(4); i-- > 0;) made.approval_rules.push_back(make_rule());
    if (below(3) == 0) made.global_filters = {{CLASSIFICATION, {"Security", "Bugfix"}}};
    if (below(2)) made.approved_patches = {one_of<const char*>({"p1", "p2*", "p3-0:2*", "CVE-2026-1234"})};
    if (below(2)) made.rejected_patches = {one_of<const char*>({"p1", "p4*", "p3-0:3*", "RHSA-2026:0001"})};
    made.approved_patches_enable_non_security = below(2);
    made.approved_patches_compliance_level = one_of({UNSPECIFIED, MEDIUM});
    if (below(2)) made.rejected_patches_action = RejectedPatchesAction::BLOCK;
    return made;
  }

  PackageSet make_set() {
    PackageSet set{PackageFormat::rpm, {}};
    for (int i = 1; i <= 6; ++i)
      set.packages.push_back({"p" + std::to_string(i), "x86_64", "0:" + std::to_string(1 + below(3)) + "-1"});
    return set;
  }

  std::vector<Offer> make_offers() {
    std::vector<Offer> offers;
    for (int i = 1; i <= 7; ++i)
      for (std::size_t count = below(5); count-- > 0;) offers.push_back(make_offer("p" + std::to_string(i)));
    return offers;
  }

  template <typename T>
  void shuffle(std::vector<T>& items) {
    std::shuffle(items.begin(), items.end(), random_);
  }

 private:
  std::mt19937_64 random_;
};

// What does not depend on where a rule stands.
std::string without_indices(Evaluation evaluation) {
  for (auto& verdict : evaluation.verdicts) {
    verdict.decision = {};
    if (verdict.held_back) verdict.held_back->decision = {};
  }
  return json::encode_text(evaluation);
}

TEST(EvaluateProperties, TheOrderOfRulesIsIrrelevant) {
  Maker maker(kSeed);
  for (int round = 0; round < 500; ++round) {
    const auto set = maker.make_set();
    const auto offers = maker.make_offers();
    auto by = maker.make_baseline();
    const auto before = without_indices(judge_rpm(set, offers, by));
    maker.shuffle(by.approval_rules);
    ASSERT_EQ(before, without_indices(judge_rpm(set, offers, by))) << "seed " << kSeed << " round " << round;
  }
}

TEST(EvaluateProperties, RejectedAlwaysWins) {
  Maker maker(kSeed + 1);
  for (int round = 0; round < 500; ++round) {
    const auto set = maker.make_set();
    auto by = maker.make_baseline();
    by.rejected_patches.push_back("p5");
    by.approved_patches.push_back("p5");
    by.approved_patches_enable_non_security = true;
    for (const auto& verdict : judge_rpm(set, maker.make_offers(), by).verdicts) {
      if (verdict.name != "p5") continue;
      ASSERT_EQ(verdict.wanted_version, "") << "seed " << kSeed + 1 << " round " << round;
      ASSERT_EQ(verdict.state,
                by.rejected_patches_action == RejectedPatchesAction::BLOCK ? INSTALLED_REJECTED : INSTALLED_OTHER);
    }
  }
}

TEST(EvaluateProperties, ASetJudgedOnceIsEveryNodeJudged) {
  Maker maker(kSeed + 2);
  for (int round = 0; round < 200; ++round) {
    const auto set = maker.make_set();
    const OfferSet offers{PackageFormat::rpm, maker.make_offers()};
    const auto by = maker.make_baseline();
    const EvaluationInput input{set, offers, by, "RedhatEnterpriseLinux9", kNow, kNothingSeen};
    const auto shared = judge_set(input);
    for (int node_number = 0; node_number < 5; ++node_number) {
      NodeState node;
      if (maker.below(2)) node.held = {"p" + std::to_string(1 + maker.below(6))};
      if (maker.below(2)) node.failed = {{"p" + std::to_string(1 + maker.below(6)), "", "", "x"}};
      if (maker.below(2)) node.pending_reboot = {{"p" + std::to_string(1 + maker.below(6)), "", "", ""}};
      ASSERT_EQ(apply_node(shared, by, node), evaluate(input, node)) << "seed " << kSeed + 2 << " round " << round;
    }
  }
}

TEST(EvaluateProperties, OffersMayComeInAnyOrderAndNothingChangesBeforeItSaysSo) {
  Maker maker(kSeed + 3);
  for (int round = 0; round < 300; ++round) {
    const auto set = maker.make_set();
    auto offers = maker.make_offers();
    std::erase_if(offers, [](const Offer& offer) { return !offer.released_at; });
    const auto by = maker.make_baseline();
    const auto first = judge_rpm(set, offers, by);
    const auto at_time = [&](Instant now) {
      const OfferSet on_offer{set.format, offers};
      return judge_set({set, on_offer, by, "RedhatEnterpriseLinux9.4", now, kNothingSeen});
    };
    if (first.changes_at) {
      auto just_before = at_time(*first.changes_at - Duration(1));
      ASSERT_EQ(just_before.counts, first.counts) << "seed " << kSeed + 3 << " round " << round;
    } else {
      ASSERT_EQ(at_time(kNow + std::chrono::days(400)).counts, first.counts)
          << "seed " << kSeed + 3 << " round " << round;
    }
    maker.shuffle(offers);
    ASSERT_EQ(judge_rpm(set, offers, by).counts, first.counts);
  }
}

TEST(EvaluateProperties, EveryPackageIsCountedOnce) {
  Maker maker(kSeed + 4);
  for (int round = 0; round < 300; ++round) {
    const auto set = maker.make_set();
    const auto counts = judge_rpm(set, maker.make_offers(), maker.make_baseline()).counts;
    ASSERT_EQ(counts.installed + counts.installed_other + counts.installed_pending_reboot + counts.installed_rejected +
                  counts.missing + counts.failed + counts.available_security_update,
              set.packages.size());
  }
}

}  // namespace
}  // namespace belay::baseline
