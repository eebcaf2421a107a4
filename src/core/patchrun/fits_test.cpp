#include "core/patchrun/fits.hpp"

#include <gtest/gtest.h>

#include "core/patchrun/gate.hpp"

namespace belay::patchrun {
namespace {

using std::chrono::minutes;
const Instant kNow = from_unix_ms(1'790'000'000'000);

PastRun past(std::size_t changed, std::vector<std::pair<std::string, Duration>> steps) {
  PastRun run{changed, {}};
  for (auto& [state, took] : steps) run.steps.push_back({state, kNow, took, ""});
  return run;
}

PatchRunOrder order_of(std::size_t packages) {
  PatchRunOrder order;
  order.changes.resize(packages);
  return order;
}

TEST(Fits, WhatWasNeverMeasuredHasAFigureToo) {
  const auto wanted = estimate(order_of(3), {});
  EXPECT_EQ(wanted.install, kInstallUnmeasured);
  EXPECT_EQ(wanted.reboot, kRebootUnmeasured);
  EXPECT_EQ(wanted.checks, kReadPackages);
  EXPECT_EQ(wanted.rollback, kInstallUnmeasured + kRebootUnmeasured + kReadPackages);
}

TEST(Fits, TheLongestOfWhatWasMeasuredCounts) {
  const auto wanted = estimate(order_of(3), {past(3, {{"installing", minutes(2)}, {"rebooting", minutes(1)}}),
                                             past(5, {{"installing", minutes(3)}, {"rolling_back", minutes(4)}})});
  EXPECT_EQ(wanted.install, minutes(3));
  EXPECT_EQ(wanted.reboot, minutes(1));
  EXPECT_EQ(wanted.rollback, minutes(4) + minutes(1) + kReadPackages);
}

TEST(Fits, ASmallInstallMeasuresNoLargeOne) {
  EXPECT_EQ(estimate(order_of(100), {past(1, {{"installing", Duration(5'000)}})}).install, kInstallUnmeasured);
  EXPECT_EQ(estimate(order_of(100), {past(1, {{"installing", minutes(20)}})}).install, minutes(20));
}

TEST(Fits, WhatTheOrderRulesOutTakesNoTime) {
  auto order = order_of(1);
  order.reboot = Reboot::never;
  EXPECT_EQ(estimate(order, {}).reboot, Duration(0));
  order.probes.resize(1);
  EXPECT_EQ(estimate(order, {}).checks, 2 * (kReadPackages + longest_watch(order.gate)))
      << "the gate is watched again after a restart";
  order.on_failure = OnFailure::leave;
  EXPECT_EQ(estimate(order, {}).checks, kReadPackages + longest_watch(order.gate));
  EXPECT_EQ(estimate(order, {}).rollback, Duration(0));
}

TEST(Fits, TheLastInstantThatFits) {
  auto order = order_of(1);
  const auto wanted = estimate(order, {});
  EXPECT_FALSE(check_fits(order, wanted, kNow)) << "no cut-off";
  order.end_by = kNow + wanted.total();
  EXPECT_FALSE(check_fits(order, wanted, kNow));
  order.end_by = kNow + wanted.total() - Duration(1);
  const auto problem = check_fits(order, wanted, kNow);
  ASSERT_TRUE(problem);
  EXPECT_NE(problem->detail.find(humanize(wanted.total())), std::string::npos) << problem->detail;
  EXPECT_NE(problem->detail.find("31 min 59 s are left"), std::string::npos) << problem->detail;
}

}  // namespace
}  // namespace belay::patchrun
