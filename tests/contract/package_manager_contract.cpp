#include "tests/contract/package_manager_contract.hpp"

#include <algorithm>
#include <map>

namespace belay::agent::contract {

using fleet::Reason;

namespace {

#define ASSERT_OK(result) ASSERT_TRUE((result).ok()) << (result).error().chain()

const OutputLine kQuiet;

TEST_P(PackageManagerContract, AScanSaysWhatIsThereAndWhatIsNewer) {
  const auto scan = manager().scan();
  ASSERT_OK(scan);
  EXPECT_EQ(text_of(scan->problems), "");
  EXPECT_TRUE(std::ranges::is_sorted(scan->installed.packages));
  EXPECT_EQ(installed("belay-app"), system_->version("1.0"));
  EXPECT_EQ(installed("belay-new"), "");
  std::map<std::string, const fleet::Offer*> app;
  for (const auto& offer : scan->offers.offers) {
    EXPECT_NE(offer.name, "belay-new") << "it is not installed, so nothing is on offer for it";
    if (offer.name == "belay-app") app[offer.version] = &offer;
  }
  ASSERT_EQ(app.size(), 3u);
  ASSERT_TRUE(app.contains(system_->version("1.1")));
  EXPECT_TRUE(app[system_->version("1.1")]->security);
  EXPECT_FALSE(app[system_->version("1.2")]->security);
  EXPECT_FALSE(app[system_->version("1.0")]->security);
  EXPECT_EQ(app[system_->version("1.1")]->sha256.size(), 64u);
  EXPECT_GT(app[system_->version("1.1")]->size_bytes, 0u);
  if (system_->tells_automatic()) {
    EXPECT_EQ(std::ranges::count(scan->automatic, "belay-lib"), 1);
  }
}

TEST_P(PackageManagerContract, ARefreshThatWorksHasNoProblems) {
  const auto report = manager().refresh(Duration(60'000), kQuiet);
  ASSERT_OK(report);
  EXPECT_EQ(text_of(report->problems), "");
  EXPECT_FALSE(report->repositories.empty());
}

TEST_P(PackageManagerContract, TheResolverIsAsked) {
  const auto plan = manager().simulate({{change("belay-app", "1.0", "1.1"), change("belay-lib", "1.0", "1.1")}});
  ASSERT_OK(plan);
  EXPECT_EQ(text_of(plan->problems), "");
  ASSERT_EQ(plan->changes.size(), 2u);
  for (const auto& one : plan->changes) {
    EXPECT_EQ(one.from_version, system_->version("1.0"));
    EXPECT_EQ(one.to_version, system_->version("1.1"));
  }
  EXPECT_EQ(installed("belay-app"), system_->version("1.0"));
}

TEST_P(PackageManagerContract, WhatTheOrderLacksIsNamed) {
  const auto plan = manager().simulate({{change("belay-needs", "1.0", "1.1")}});
  ASSERT_OK(plan);
  EXPECT_TRUE(has_reason(plan->problems, Reason::dependency_broken, "belay-new")) << text_of(plan->problems);
  const auto report = manager().install({{change("belay-needs", "1.0", "1.1")}}, kQuiet);
  ASSERT_OK(report);
  EXPECT_FALSE(report->problems.empty()) << "an order that needs more than it lists is refused";
  EXPECT_TRUE(report->changed.empty());
  EXPECT_EQ(installed("belay-needs"), system_->version("1.0"));
  const auto whole = manager().install({{change("belay-needs", "1.0", "1.1"), change("belay-new", "", "1.0")}}, kQuiet);
  ASSERT_OK(whole);
  EXPECT_EQ(text_of(whole->problems), "");
  EXPECT_EQ(whole->changed.size(), 2u);
}

TEST_P(PackageManagerContract, AVersionThatIsNotOffered) {
  const auto plan = manager().simulate({{change("belay-conf", "1.0", "9.9")}});
  ASSERT_OK(plan);
  EXPECT_TRUE(has_reason(plan->problems, Reason::version_not_offered)) << text_of(plan->problems);
  const auto fetched = manager().download({{change("belay-conf", "1.0", "9.9")}}, kQuiet);
  ASSERT_FALSE(fetched.ok());
  EXPECT_EQ(fetched.error().reason(), "version-not-offered") << fetched.error().chain();
}

TEST_P(PackageManagerContract, ExactlyTheOrderIsInstalledAndOnlyOnce) {
  const InstallOrder order{{change("belay-app", "1.0", "1.1"), change("belay-lib", "1.0", "1.1")}};
  ASSERT_OK(manager().download(order, kQuiet));
  const auto report = manager().install(order, kQuiet);
  ASSERT_OK(report);
  EXPECT_EQ(text_of(report->problems), "");
  ASSERT_EQ(report->changed.size(), 2u);
  EXPECT_EQ(report->changed[0].to_version, system_->version("1.1")) << "1.2 is offered, 1.1 was ordered";
  EXPECT_EQ(installed("belay-lib"), system_->version("1.1"));
  if (system_->tells_automatic()) {
    EXPECT_EQ(std::ranges::count(manager().scan()->automatic, "belay-lib"), 1) << "its mark was kept";
    EXPECT_EQ(std::ranges::count(manager().scan()->automatic, "belay-app"), 0);
  }
  const auto again = manager().install(order, kQuiet);
  ASSERT_OK(again);
  EXPECT_TRUE(again->changed.empty());
  EXPECT_EQ(text_of(again->problems), "");
  EXPECT_EQ(text_of(*manager().check_health()), "");
}

TEST_P(PackageManagerContract, TheWayBackWorksWhenNobodyOffersTheOldVersions) {
  const InstallOrder order{{change("belay-app", "1.0", "1.1"), change("belay-lib", "1.0", "1.1")}};
  const auto held = manager().hold_old_versions(order, system_->held_directory());
  ASSERT_OK(held);
  EXPECT_EQ(text_of(*held), "");
  const auto held_again = manager().hold_old_versions(order, system_->held_directory());
  ASSERT_OK(held_again);
  EXPECT_EQ(text_of(*held_again), "");
  const auto before = manager().scan()->installed.packages;
  ASSERT_EQ(text_of(manager().install(order, kQuiet)->problems), "");
  system_->forget_old_versions();
  InstallOrder back{{change("belay-app", "1.1", "1.0"), change("belay-lib", "1.1", "1.0")}};
  back.allow_downgrade = true;
  ASSERT_FALSE(manager().simulate(back)->problems.empty()) << "without what was held there is no way back";
  back.held_directory = system_->held_directory();
  const auto plan = manager().simulate(back);
  ASSERT_OK(plan);
  EXPECT_EQ(text_of(plan->problems), "");
  ASSERT_OK(manager().download(back, kQuiet));
  const auto report = manager().install(back, kQuiet);
  ASSERT_OK(report);
  EXPECT_EQ(text_of(report->problems), "");
  EXPECT_EQ(manager().scan()->installed.packages, before);
}

TEST_P(PackageManagerContract, GoingBackMustBeOrderedAsARollback) {
  ASSERT_EQ(text_of(manager().install({{change("belay-conf", "1.0", "1.1")}}, kQuiet)->problems), "");
  InstallOrder back{{change("belay-conf", "1.1", "1.0")}};
  const auto refused = manager().install(back, kQuiet);
  ASSERT_OK(refused);
  EXPECT_FALSE(refused->problems.empty());
  EXPECT_EQ(installed("belay-conf"), system_->version("1.1"));
  back.allow_downgrade = true;
  const auto report = manager().install(back, kQuiet);
  ASSERT_OK(report);
  EXPECT_EQ(text_of(report->problems), "");
  EXPECT_EQ(installed("belay-conf"), system_->version("1.0"));
}

TEST_P(PackageManagerContract, AnOrderMadeForAnotherStateIsRefused) {
  const auto plan = manager().simulate({{change("belay-conf", "0.9", "1.1")}});
  ASSERT_OK(plan);
  EXPECT_FALSE(plan->problems.empty());
}

TEST_P(PackageManagerContract, RemovingMustBeOrderedAndAllowed) {
  ASSERT_EQ(
      text_of(
          manager().install({{change("belay-needs", "1.0", "1.1"), change("belay-new", "", "1.0")}}, kQuiet)->problems),
      "");
  InstallOrder back{{change("belay-needs", "1.1", "1.0"), change("belay-new", "1.0", "")}};
  back.allow_downgrade = true;
  const auto refused = manager().simulate(back);
  ASSERT_OK(refused);
  EXPECT_TRUE(has_reason(refused->problems, Reason::would_remove_packages, "belay-new")) << text_of(refused->problems);
  back.allow_removal = true;
  const auto report = manager().install(back, kQuiet);
  ASSERT_OK(report);
  EXPECT_EQ(text_of(report->problems), "");
  EXPECT_EQ(installed("belay-new"), "");
  EXPECT_EQ(installed("belay-needs"), system_->version("1.0"));
}

TEST_P(PackageManagerContract, AHeldPackageIsNotTouched) {
  system_->hold("belay-conf");
  EXPECT_EQ(std::ranges::count(manager().scan()->held, "belay-conf"), 1);
  const auto report = manager().install({{change("belay-conf", "1.0", "1.1")}}, kQuiet);
  ASSERT_OK(report);
  EXPECT_TRUE(has_reason(report->problems, Reason::package_held, "belay-conf")) << text_of(report->problems);
  EXPECT_EQ(installed("belay-conf"), system_->version("1.0"));
}

TEST_P(PackageManagerContract, AFailingScriptIsAFailureAndTheWayBackMendsIt) {
  const InstallOrder order{{change("belay-bad", "1.0", "1.1")}};
  ASSERT_EQ(text_of(*manager().hold_old_versions(order, system_->held_directory())), "");
  const auto report = manager().install(order, kQuiet);
  ASSERT_OK(report);
  EXPECT_TRUE(has_reason(report->problems, Reason::script_failed)) << text_of(report->problems) << report->output;
  if (!system_->keeps_failed_install_out()) {
    EXPECT_FALSE(manager().check_health()->empty());
  }
  InstallOrder back{{change("belay-bad", "1.1", "1.0")}};
  back.allow_downgrade = true;
  back.held_directory = system_->held_directory();
  const auto undone = manager().install(back, kQuiet);
  ASSERT_OK(undone);
  EXPECT_EQ(text_of(undone->problems), "");
  EXPECT_EQ(installed("belay-bad"), system_->version("1.0"));
  EXPECT_EQ(text_of(*manager().check_health()), "");
}

TEST_P(PackageManagerContract, TheOperatorsConfigurationIsKept) {
  if (!system_->tells_conffiles()) GTEST_SKIP() << GetParam().name << " has no configuration files";
  system_->change_conffile();
  const auto report = manager().install({{change("belay-conf", "1.0", "1.1")}}, kQuiet);
  ASSERT_OK(report);
  EXPECT_EQ(text_of(report->problems), "");
  ASSERT_EQ(report->conffiles.size(), 1u);
  EXPECT_EQ(report->conffiles[0].path, "/etc/belay-conf.conf");
  EXPECT_TRUE(report->conffiles[0].new_path.starts_with("/etc/belay-conf.conf."));
}

TEST_P(PackageManagerContract, ASystemThatIsWholeNeedsNoRepair) {
  ASSERT_OK(manager().check_health());
  EXPECT_EQ(text_of(*manager().check_health()), "");
  const auto left = manager().repair(Duration(60'000), kQuiet);
  ASSERT_OK(left);
  EXPECT_EQ(text_of(*left), "");
}

INSTANTIATE_TEST_SUITE_P(All, PackageManagerContract,
                         ::testing::Values(Maker{"fake", make_fake_system}, Maker{"apt", make_apt_system},
                                           Maker{"dnf", make_dnf_system}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace belay::agent::contract
