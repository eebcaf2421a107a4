// One row a fact: a node with pkg 1.0-1, what it is offered, a baseline, and the verdict. The letters before a fact
// name its page: [BP] "How patch baseline rules work on Linux-based systems", [BR] "About patch baselines", [NF]
// "Package name formats for approved and rejected patch lists", [ST] "Patch compliance state values", [RD] "How package
// release dates and update dates are calculated", [M] the API model, [B] what Belay adds.
#include "core/baseline/evaluate.hpp"

#include <gtest/gtest.h>

#include "core/baseline/test_values.hpp"

namespace belay::baseline {
namespace {

using namespace test;
using enum PatchState;
using enum PatchFilterKey;
using OS = OperatingSystem;

struct Row {
  const char* fact;
  std::vector<Offer> offers;
  PatchBaseline baseline;
  PatchState state;
  std::string wanted;
  DecidedBy by;
  NodeState node = {};
};

const char* text(PatchState state) { return boost::describe::enum_to_string(state, "?"); }
const char* text(DecidedBy by) { return boost::describe::enum_to_string(by, "?"); }

void check(const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    const auto evaluation = judge(row.offers, row.baseline, row.node);
    ASSERT_EQ(evaluation.verdicts.size(), 1u) << row.fact;
    const auto& verdict = evaluation.verdicts[0];
    EXPECT_STREQ(text(verdict.state), text(row.state)) << row.fact << ": " << verdict.decision.text;
    EXPECT_EQ(verdict.wanted_version, row.wanted) << row.fact;
    EXPECT_STREQ(text(verdict.decision.by), text(row.by)) << row.fact << ": " << verdict.decision.text;
    EXPECT_FALSE(verdict.decision.text.empty()) << row.fact;
  }
}

constexpr auto kRule = DecidedBy::approval_rule;
constexpr auto kList = DecidedBy::approved_patches;
constexpr auto kRejected = DecidedBy::rejected_patches;
constexpr auto kNone = DecidedBy::no_rule;
constexpr auto kNotSecurity = DecidedBy::non_security;
const std::vector<Offer> kSecurity{plain("1.0-1"), security("1.1-1")};
const std::vector<Offer> kBugfix{plain("1.0-1"), bugfix("1.1-1")};
const std::vector<Offer> kPlain{plain("1.0-1"), plain("1.1-1")};
const std::vector<Offer> kDebSecurity{deb("1.0-1", false), deb("1.1-1", true)};
const std::vector<Offer> kDebPlain{deb("1.0-1", false), deb("1.1-1", false)};

TEST(Evaluate, RulesApprove) {
  check({
      {"[ST] approved and not installed", kSecurity, baseline({rule()}), MISSING, "1.1-1", kRule},
      {"[ST] approved and installed", {security("1.0-1")}, baseline({rule()}), INSTALLED, "", kRule},
      {"[ST] installed and not in the baseline",
       {plain("1.0-1")},
       baseline({rule()}),
       INSTALLED_OTHER,
       "",
       kNotSecurity},
      {"[B] installed and offered nowhere", {}, baseline({rule()}), INSTALLED_OTHER, "", DecidedBy::not_offered},
      {"[BR] no rules approve nothing", kSecurity, baseline({}), INSTALLED_OTHER, "", kNone},
      {"[BP] of several approved versions the latest",
       {security("1.1-1"), security("1.10-1"), security("1.2-1")},
       baseline({rule()}),
       MISSING,
       "1.10-1",
       kRule},
      {"[BP] a version below the installed one is no patch",
       {security("0.9-1"), security("1.0-1")},
       baseline({rule()}),
       INSTALLED,
       "",
       kRule},
      {"[BP] rpm, no notice: not without EnableNonSecurity", kPlain, baseline({rule()}), INSTALLED_OTHER, "",
       kNotSecurity},
      {"[BP] rpm, no notice: with EnableNonSecurity", kPlain, baseline({rule({.non_security = true})}), MISSING,
       "1.1-1", kRule},
      {"[BP] rpm: a notice of any kind passes the implicit rule", kBugfix, baseline({rule()}), MISSING, "1.1-1", kRule},
      {"[BP] deb: only what the security archive carries", kDebPlain, baseline({rule()}, {}, OS::DEBIAN),
       INSTALLED_OTHER, "", kNotSecurity},
      {"[BP] deb: the security archive", kDebSecurity, baseline({rule()}, {}, OS::UBUNTU), MISSING, "1.1-1", kRule},
      {"[BP] deb: EnableNonSecurity", kDebPlain, baseline({rule({.non_security = true})}, {}, OS::DEBIAN), MISSING,
       "1.1-1", kRule},
      {"[BP] rules are alternatives", kBugfix,
       baseline({rule({}, {{CLASSIFICATION, {"Security"}}}), rule({}, {{CLASSIFICATION, {"Bugfix"}}})}), MISSING,
       "1.1-1", kRule},
  });
}

TEST(Evaluate, SuseTakesEveryPackageOfAPatch) {
  auto of_patch = plain("1.1-1");
  of_patch.advisory_ids = {"SUSE-SLE-Module-Basesystem-15-SP5-2026-123"};
  check({
      {"[BP] a package of a patch without category",
       {of_patch},
       baseline({rule()}, {}, OS::SUSE),
       MISSING,
       "1.1-1",
       kRule},
      {"[BP] a package of none", kPlain, baseline({rule()}, {}, OS::SUSE), INSTALLED_OTHER, "", kNotSecurity},
      {"[NF] patch name with a wildcard",
       {of_patch},
       baseline({}, {approve({"SUSE-SLE-Module-*-2026-123"})}, OS::SUSE),
       MISSING,
       "1.1-1",
       kList},
      {"[NF] package file name",
       {of_patch},
       baseline({}, {approve({"pkg-1.1-1.x86_64.rpm"})}, OS::SUSE),
       MISSING,
       "1.1-1",
       kList},
  });
}

TEST(Evaluate, FiltersSelect) {
  const auto one = [](PatchFilterKey key, std::vector<std::string> values) {
    return baseline({rule({}, {{key, std::move(values)}})});
  };
  const auto on_deb = [](PatchFilterKey key, std::vector<std::string> values) {
    return baseline({rule({}, {{key, std::move(values)}})}, {}, OS::DEBIAN);
  };
  check({
      {"[BR] values are alternatives", kSecurity, one(SEVERITY, {"Critical", "Important"}), MISSING, "1.1-1", kRule},
      {"[BR] a value that is not there", kSecurity, one(SEVERITY, {"Critical"}), INSTALLED_OTHER, "", kNone},
      {"[BR] filters of a group must all match", kSecurity,
       baseline({rule({}, {{CLASSIFICATION, {"Security"}}, {SEVERITY, {"Low"}}})}), INSTALLED_OTHER, "", kNone},
      {"[BR] * matches anything", kSecurity, one(SEVERITY, {"*"}), MISSING, "1.1-1", kRule},
      {"[BP] * matches what has no severity",
       {offer("1.1-1", "2026-01-01", false, "Bugfix", "")},
       one(SEVERITY, {"*"}),
       MISSING,
       "1.1-1",
       kRule},
      {"[BP] Moderate is Medium",
       {security("1.1-1", "2026-01-01", "Moderate")},
       one(SEVERITY, {"Medium"}),
       MISSING,
       "1.1-1",
       kRule},
      {"[BP] and the other way round",
       {security("1.1-1", "2026-01-01", "Medium")},
       one(SEVERITY, {"Moderate"}),
       MISSING,
       "1.1-1",
       kRule},
      {"[BP] case does not count (SUSE writes small)",
       {security("1.1-1", "2026-01-01", "important")},
       one(SEVERITY, {"Important"}),
       MISSING,
       "1.1-1",
       kRule},
      {"[BR] PRODUCT of the node's very release", kSecurity, one(PRODUCT, {"RedhatEnterpriseLinux9.4"}), MISSING,
       "1.1-1", kRule},
      {"[BR] PRODUCT of its major release", kSecurity, one(PRODUCT, {"RedhatEnterpriseLinux9"}), MISSING, "1.1-1",
       kRule},
      {"[BR] PRODUCT of another release", kSecurity, one(PRODUCT, {"RedhatEnterpriseLinux9.40"}), INSTALLED_OTHER, "",
       kNone},
      {"[BR] PRODUCT of another one", kSecurity, one(PRODUCT, {"RedhatEnterpriseLinux8"}), INSTALLED_OTHER, "", kNone},
      {"[BP] PRIORITY, as SSM writes it", kDebSecurity, on_deb(PRIORITY, {"Optional"}), MISSING, "1.1-1", kRule},
      {"[BP] another PRIORITY", kDebSecurity, on_deb(PRIORITY, {"Required"}), INSTALLED_OTHER, "", kNone},
      {"[BP] SECTION without its component", kDebSecurity, on_deb(SECTION, {"libs"}), MISSING, "1.1-1", kRule},
      {"[BP] SECTION with it", kDebSecurity, on_deb(SECTION, {"non-free/libs"}), MISSING, "1.1-1", kRule},
      {"[BP] another SECTION", kDebSecurity, on_deb(SECTION, {"admin"}), INSTALLED_OTHER, "", kNone},
  });
}

TEST(Evaluate, GlobalFiltersComeFirst) {
  const auto only_bugfix = global({{CLASSIFICATION, {"Bugfix"}}});
  check({
      {"[BP] what they drop, no rule approves", kSecurity, baseline({rule()}, {only_bugfix}), INSTALLED_OTHER, "",
       DecidedBy::global_filters},
      {"[BP] what they keep, rules see", kBugfix, baseline({rule()}, {only_bugfix}), MISSING, "1.1-1", kRule},
      {"[BP] approved patches approve even what they drop", kSecurity,
       baseline({rule()}, {only_bugfix, approve({"pkg"})}), MISSING, "1.1-1", kList},
      {"[BP] rejected beats that too", kSecurity, baseline({rule()}, {only_bugfix, approve({"pkg"}), reject({"pkg"})}),
       INSTALLED_OTHER, "", kRejected},
  });
}

TEST(Evaluate, ListsNamePackages) {
  struct Format {
    const char* entry;
    bool names;
  };
  for (const auto& [entry, names] : std::initializer_list<Format>{// [NF] rpm
                                                                  {"pkg", true},
                                                                  {"PKG", true},
                                                                  {"pkg.x86_64", true},
                                                                  {"pkg.i686", false},
                                                                  {"pkg-1.1", true},
                                                                  {"pkg-1.1-1", true},
                                                                  {"pkg-1.1-1.x86_64", true},
                                                                  {"pkg-0:1.1-1.x86_64", true},
                                                                  {"0:pkg-1.1-1.x86_64", true},
                                                                  {"pkg-1.1-2.x86_64", false},
                                                                  {"pk*", true},
                                                                  {"*g-1.1-1*", true},
                                                                  {"p?g", true},
                                                                  {"p[a-z]g", true},
                                                                  {"pkg-2*", false},
                                                                  {"kg", false},
                                                                  {"pkgs", false},
                                                                  {"1.1-1", true},
                                                                  {"0:1.1-1", true},
                                                                  {"RHSA-2026:0001", true},
                                                                  {"RHSA-2026:000*", false},
                                                                  {"rhsa-2026:0001", true},
                                                                  {"CVE-2026-1234", true},
                                                                  {"CVE-2026-123", false},
                                                                  {"998877", true},
                                                                  {"99887", false},
                                                                  {"pkg-1.1-1.x86_64.rpm", true}}) {
    const auto evaluation = judge(kSecurity, baseline({}, {approve({"nothing", entry})}));
    EXPECT_EQ(evaluation.verdicts[0].state == MISSING, names) << entry;
    if (names) EXPECT_EQ(evaluation.verdicts[0].decision.entry, entry);
  }
  for (const auto& [entry, names] : std::initializer_list<Format>{
           // [NF] apt: bare names, no version; a wildcard, the architecture and CVE ids are [B]
           {"pkg", true},
           {"pk*", true},
           {"pkg.x86_64", true},
           {"pkg:x86_64", true},
           {"pkg-1.1", false},
           {"1.1-1", false},
           {"pkg=1.1-1", false}}) {
    const auto evaluation = judge(kDebSecurity, baseline({}, {approve({entry})}, OS::DEBIAN));
    EXPECT_EQ(evaluation.verdicts[0].state == MISSING, names) << entry;
  }
}

TEST(Evaluate, ApprovedPatchesApprove) {
  check({
      {"[BP] the list approves", kSecurity, baseline({}, {approve({"pkg"})}), MISSING, "1.1-1", kList},
      {"[M] its own flag counts, not the rules'", kPlain,
       baseline({rule({.non_security = true}, {{SEVERITY, {"Low"}}})}, {approve({"pkg"})}), INSTALLED_OTHER, "",
       kNotSecurity},
      {"[M] ApprovedPatchesEnableNonSecurity", kPlain, baseline({}, {approve({"pkg"}, true)}), MISSING, "1.1-1", kList},
      {"[M] and it does not count for rules", kPlain, baseline({rule()}, {approve({"other"}, true)}), INSTALLED_OTHER,
       "", kNotSecurity},
      {"[BP] the list knows no delay",
       {security("1.1-1", "2026-11-23")},
       baseline({rule({.days = 7})}, {approve({"pkg"})}),
       MISSING,
       "1.1-1",
       kList},
      {"[ST] installed and on the list", {security("1.0-1")}, baseline({}, {approve({"pkg"})}), INSTALLED, "", kList},
      {"[ST] also where no repository carries it", {}, baseline({}, {approve({"pkg"}, true)}), INSTALLED, "", kList},
      {"[NF] one version only",
       {security("1.1-1"), security("1.2-1")},
       baseline({}, {approve({"pkg-1.1-1.x86_64"})}),
       MISSING,
       "1.1-1",
       kList},
  });
}

TEST(Evaluate, RejectedPatchesRemove) {
  const auto block = RejectedPatchesAction::BLOCK;
  check({
      {"[BP] rejected beats a rule", kSecurity, baseline({rule()}, {reject({"pkg"})}), INSTALLED_OTHER, "", kRejected},
      {"[BP] rejected beats approved", kSecurity, baseline({}, {approve({"pkg"}), reject({"pkg"})}), INSTALLED_OTHER,
       "", kRejected},
      {"[M] BLOCK, installed already", kSecurity, baseline({rule()}, {reject({"pkg"}, block)}), INSTALLED_REJECTED, "",
       kRejected},
      {"[M] ALLOW_AS_DEPENDENCY, installed already",
       {security("1.0-1")},
       baseline({rule()}, {reject({"pkg"})}),
       INSTALLED_OTHER,
       "",
       kRejected},
      {"[ST] rejected though no repository carries it",
       {},
       baseline({}, {reject({"pkg"}, block)}),
       INSTALLED_REJECTED,
       "",
       kRejected},
      {"[NF] only the version named",
       {security("1.1-1"), security("1.2-1")},
       baseline({rule()}, {reject({"pkg-1.2*"}, block)}),
       MISSING,
       "1.1-1",
       kRule},
      {"[NF] an advisory", kSecurity, baseline({rule()}, {reject({"RHSA-2026:0001"})}), INSTALLED_OTHER, "",
       kNotSecurity},
      {"[B] a rejected version is cured by one that is not",
       {security("1.1-1")},
       baseline({rule()}, {reject({"pkg-1.0*"}, block)}),
       INSTALLED_REJECTED,
       "1.1-1",
       kRejected},
  });
}

TEST(Evaluate, DatesDelay) {
  const auto waits = [](int days) { return baseline({rule({.days = days})}); };
  const auto released = [](std::string_view date) {
    return std::vector<Offer>{plain("1.0-1"), security("1.1-1", date)};
  };
  check({
      {"[RD] 0 days, released today", released("2026-11-23T17:59:00Z"), waits(0), MISSING, "1.1-1", kRule},
      {"[RD] 7 days, released 7 days ago", released("2026-11-16"), waits(7), MISSING, "1.1-1", kRule},
      {"[RD] at any time of that UTC day", released("2026-11-16T23:59:59Z"), waits(7), MISSING, "1.1-1", kRule},
      {"[RD] 6 days ago is too soon", released("2026-11-17T00:00:00Z"), waits(7), AVAILABLE_SECURITY_UPDATE, "",
       DecidedBy::delay},
      {"[M] until a date, inclusive", released("2026-11-10T23:59:59Z"), baseline({rule({.until = "2026-11-10"})}),
       MISSING, "1.1-1", kRule},
      {"[M] until a date, the day after", released("2026-11-11T00:00:00Z"), baseline({rule({.until = "2026-11-10"})}),
       AVAILABLE_SECURITY_UPDATE, "", DecidedBy::until_date},
      {"[BP] an older version that is over its delay is wanted",
       {security("1.1-1", "2026-11-01"), security("1.2-1", "2026-11-20")},
       waits(7),
       MISSING,
       "1.1-1",
       kRule},
      {"[BP] the shortest delay of several rules", released("2026-11-20"),
       baseline({rule({.days = 30}), rule({.days = 3})}), MISSING, "1.1-1", kRule},
      {"[B] no security update: not shown as available",
       {plain("1.0-1"), bugfix("1.1-1", "2026-11-20")},
       waits(7),
       INSTALLED_OTHER,
       "",
       kNotSecurity},
      {"[ST] installed, its own delay not over",
       {security("1.0-1", "2026-11-20")},
       waits(7),
       INSTALLED_OTHER,
       "",
       DecidedBy::delay},
      {"[B] rejected is not available",
       {plain("1.0-1"), security("1.1-1", "2026-11-20")},
       baseline({rule({.days = 7})}, {reject({"pkg"})}),
       INSTALLED_OTHER,
       "",
       kRejected},
      {"[B] no date at all counts as now",
       {plain("1.0-1"), security("1.1-1", "")},
       waits(7),
       AVAILABLE_SECURITY_UPDATE,
       "",
       DecidedBy::delay},
  });
}

TEST(Evaluate, TheFleetsFirstSightIsTheDateWhereNothingSays) {
  const auto by = baseline({rule({.days = 7})}, {}, OS::DEBIAN);
  const FirstSeen seen{{{"pkg", "1.1-1"}, at("2026-11-16T09:00:00Z")}};
  const auto judged = judge(kDebSecurity, by, {}, seen);
  EXPECT_EQ(judged.verdicts[0].state, MISSING);
  EXPECT_EQ(judged.verdicts[0].released_at, std::nullopt) << "nobody said when it was released";
  EXPECT_EQ(judged.verdicts[0].first_seen_at, at("2026-11-16T09:00:00Z"));
  EXPECT_EQ(judged.verdicts[0].decision.text,
            "rule 1 approves it (first seen 2026-11-16, 7 days over since 2026-11-23)");
  EXPECT_EQ(judged.verdicts[0].age, kNow - at("2026-11-16T09:00:00Z"));
  const auto sooner = judge(kDebSecurity, by, {}, seen, at("2026-11-22T23:59:59Z")).verdicts[0];
  EXPECT_EQ(sooner.state, AVAILABLE_SECURITY_UPDATE);
  EXPECT_EQ(sooner.held_back->first_seen_at, at("2026-11-16T09:00:00Z"));
  EXPECT_EQ(sooner.held_back->released_at, std::nullopt);
  EXPECT_EQ(sooner.held_back->decision.text,
            "rule 1 approves it on 2026-11-23 (first seen 2026-11-16, a delay of 7 days)");
  // The offer's own date wins.
  const auto dated = judge({deb("1.1-1", true, "2026-11-20")}, by, {}, seen).verdicts[0];
  EXPECT_EQ(dated.state, AVAILABLE_SECURITY_UPDATE);
  EXPECT_EQ(dated.released_at, at("2026-11-20"));
  EXPECT_EQ(dated.first_seen_at, std::nullopt);
}

TEST(Evaluate, WhatIsHeldBackSaysUntilWhen) {
  const auto by = baseline({rule({.days = 7})});
  const auto evaluation = judge({plain("1.0-1"), security("1.1-1", "2026-11-20T12:00:00Z")}, by);
  const auto& verdict = evaluation.verdicts[0];
  ASSERT_TRUE(verdict.held_back);
  EXPECT_EQ(verdict.held_back->version, "1.1-1");
  EXPECT_EQ(verdict.held_back->until, at("2026-11-27"));
  EXPECT_TRUE(verdict.held_back->security);
  EXPECT_EQ(verdict.held_back->decision.text,
            "rule 1 approves it on 2026-11-27 (released 2026-11-20, a delay of 7 days)");
  EXPECT_EQ(evaluation.changes_at, at("2026-11-27"));
  EXPECT_EQ(judge({security("1.1-1", "2026-11-20")}, by, {}, {}, *evaluation.changes_at).verdicts[0].state, MISSING);
  EXPECT_EQ(judge(kSecurity, by).changes_at, std::nullopt);
  // A rule that still waits may raise the level of what another approved.
  EXPECT_EQ(
      judge({security("1.1-1", "2026-11-20")}, baseline({rule(), rule({.days = 9, .level = ComplianceLevel::HIGH})}))
          .changes_at,
      at("2026-11-29"));
}

TEST(Evaluate, AvailableSecurityUpdatesAreCompliantUnlessTheBaselineSaysNot) {
  const std::vector<Offer> offers{plain("1.0-1"), security("1.1-1", "2026-11-20")};
  auto by = baseline({rule({.days = 7, .level = ComplianceLevel::CRITICAL})});
  auto evaluation = judge(offers, by);
  EXPECT_TRUE(evaluation.compliant);
  EXPECT_EQ(evaluation.counts.available_security_update, 1u);
  by.available_security_updates_compliance_status = AvailableSecurityUpdatesComplianceStatus::NON_COMPLIANT;
  evaluation = judge(offers, by);
  EXPECT_FALSE(evaluation.compliant);
  EXPECT_EQ(evaluation.counts.security_non_compliant, 1u);
  EXPECT_EQ(evaluation.counts.critical_non_compliant, 0u);  // [M] never critical, severity always unspecified
  EXPECT_EQ(evaluation.severity, ComplianceLevel::UNSPECIFIED);
}

TEST(Evaluate, TheNodesOwnStateIsLaidOver) {
  const auto by = baseline({rule()});
  const auto block = baseline({rule()}, {reject({"pkg"}, RejectedPatchesAction::BLOCK)});
  check({
      {"[ST] after an Install what is left is Failed",
       kSecurity,
       by,
       FAILED,
       "1.1-1",
       kRule,
       {.failed = {{"pkg", "x86_64", "1.1-1", "x"}}}},
      {"[B] another version failed",
       kSecurity,
       by,
       MISSING,
       "1.1-1",
       kRule,
       {.failed = {{"pkg", "x86_64", "1.0.5-1", "x"}}}},
      {"[ST] failed and meanwhile installed",
       {security("1.0-1")},
       by,
       INSTALLED,
       "",
       kRule,
       {.failed = {{"pkg", "", "", "x"}}}},
      {"[ST] installed by us, no reboot since",
       {security("1.0-1")},
       by,
       INSTALLED_PENDING_REBOOT,
       "",
       kRule,
       {.pending_reboot = {{"pkg", "x86_64", "1.0-1", ""}}}},
      {"[ST] also where the baseline does not match it",
       {plain("1.0-1")},
       by,
       INSTALLED_PENDING_REBOOT,
       "",
       kNotSecurity,
       {.pending_reboot = {{"pkg", "", "", ""}}}},
      {"[ST] Missing says more than pending reboot",
       kSecurity,
       by,
       MISSING,
       "1.1-1",
       kRule,
       {.pending_reboot = {{"pkg", "", "", ""}}}},
      {"[ST] Rejected says more than pending reboot",
       kSecurity,
       block,
       INSTALLED_REJECTED,
       "",
       kRejected,
       {.pending_reboot = {{"pkg", "", "", ""}}}},
      {"[BP] excludes on the node do not make it compliant", kSecurity, by, MISSING, "1.1-1", kRule, {.held = {"pkg"}}},
      {"[M] BLOCK: what needs a rejected package is Missing on Scan",
       kSecurity,
       by,
       MISSING,
       "1.1-1",
       kRule,
       {.blocked = {{"pkg", "", "", "libfoo"}}}},
  });
  const auto held = judge(kSecurity, by, {.held = {"pkg"}});
  EXPECT_EQ(held.verdicts[0].blocked_by, "on hold on the node");
  EXPECT_TRUE(wanted_changes(held, {fleet::PackageFormat::rpm, kSecurity}).empty());
  const auto blocked = judge(kSecurity, by, {.blocked = {{"pkg", "", "", "libfoo"}}});
  EXPECT_EQ(blocked.verdicts[0].blocked_by, "needs libfoo, which is rejected with BLOCK");
  const auto failed = judge(kSecurity, by, {.failed = {{"pkg", "", "", "script failed"}}});
  EXPECT_EQ(failed.verdicts[0].failure, "script failed");
  EXPECT_EQ(wanted_changes(failed, {fleet::PackageFormat::rpm, kSecurity}).size(), 1u);
}

}  // namespace
}  // namespace belay::baseline
