#include "core/remedy/remedy.hpp"

#include <gtest/gtest.h>

#include <random>

namespace belay::remedy {
namespace {

using enum Standing;
using Change = Decision::Change;
Instant at(std::int64_t s) { return from_unix_ms(s * 1000); }

Policy late(std::int64_t after_s, Severity severity = Severity::UNSPECIFIED) {
  Policy policy;
  policy.name = "late";
  policy.after = Duration(after_s * 1000);
  policy.severity_at_least = severity;
  return policy;
}

TEST(Remedy, Decisions) {
  const struct {
    const char* what;
    Policy policy;
    std::optional<OpenEpisode> open;
    Observation seen;
    bool targeted;
    std::int64_t now;
    Decision wanted;
  } rows[] = {
      {"complies", late(10), {}, {compliant, {}, {}}, true, 100, {}},
      {"begins", late(10), {}, {non_compliant, Severity::LOW, {}}, true, 100, {Change::open, at(100), at(110), false}},
      {"began before anybody looked",
       late(10),
       {},
       {non_compliant, Severity::LOW, at(50)},
       true,
       100,
       {Change::open, at(50), at(60), true}},
      {"a clock that ran ahead",
       late(10),
       {},
       {non_compliant, Severity::LOW, at(500)},
       true,
       100,
       {Change::open, at(100), at(110), false}},
      {"at once", late(0), {}, {non_compliant, Severity::LOW, {}}, true, 100, {Change::open, at(100), at(100), true}},
      {"too mild", late(10, Severity::HIGH), {}, {non_compliant, Severity::MEDIUM, {}}, true, 100, {}},
      {"severe enough",
       late(10, Severity::HIGH),
       {},
       {non_compliant, Severity::HIGH, {}},
       true,
       100,
       {Change::open, at(100), at(110), false}},
      {"lasts",
       late(10),
       OpenEpisode{at(95), false},
       {non_compliant, {}, {}},
       true,
       100,
       {Change::nothing, at(95), at(105), false}},
      {"is due",
       late(10),
       OpenEpisode{at(90), false},
       {non_compliant, {}, {}},
       true,
       100,
       {Change::nothing, at(90), at(100), true}},
      {"acted already",
       late(10),
       OpenEpisode{at(90), true},
       {non_compliant, {}, {}},
       true,
       200,
       {Change::nothing, at(90), at(100), false}},
      {"complies again",
       late(10),
       OpenEpisode{at(90), true},
       {compliant, {}, {}},
       true,
       200,
       {Change::close, {}, {}, false}},
      {"became mild",
       late(10, Severity::HIGH),
       OpenEpisode{at(90), false},
       {non_compliant, Severity::LOW, {}},
       true,
       200,
       {Change::close, {}, {}, false}},
      {"left the targets",
       late(10),
       OpenEpisode{at(90), false},
       {non_compliant, {}, {}},
       false,
       200,
       {Change::close, {}, {}, false}},
      {"unknown counts",
       late(0, Severity::CRITICAL),
       {},
       {unknown, {}, {}},
       true,
       100,
       {Change::open, at(100), at(100), true}},
  };
  for (const auto& row : rows)
    EXPECT_EQ(decide(row.policy, row.open, row.seen, row.targeted, at(row.now)), row.wanted) << row.what;
}

TEST(Remedy, UnknownIsLeftAloneWhereThePolicySaysSo) {
  Policy policy = late(10);
  policy.include_unknown = false;
  const Observation seen{unknown, {}, {}};
  EXPECT_EQ(decide(policy, {}, seen, true, at(100)), Decision());
  const auto open = decide(policy, OpenEpisode{at(50), false}, seen, true, at(100));
  EXPECT_EQ(open.change, Change::nothing) << "nobody knows whether it is over";
  EXPECT_FALSE(open.act);
  policy.enabled = false;
  EXPECT_EQ(decide(policy, OpenEpisode{at(50), false}, seen, true, at(100)).change, Change::close);
}

TEST(Remedy, TheWorseOfTwo) {
  const Observation fine{compliant, {}, {}}, dark{unknown, {}, at(5)}, mild{non_compliant, Severity::LOW, at(9)},
      grave{non_compliant, Severity::CRITICAL, at(20)};
  EXPECT_EQ(worse(fine, dark).standing, unknown);
  EXPECT_EQ(worse(dark, mild).standing, non_compliant);
  EXPECT_EQ(worse(dark, mild).since, at(9));
  EXPECT_EQ(worse(mild, grave).severity, Severity::CRITICAL);
  EXPECT_EQ(worse(grave, mild).since, at(9));
  EXPECT_EQ(worse(fine, fine).standing, compliant);
}

// Whatever happens: at most one act between opening and closing, never before the time, and only while it is met.
TEST(Remedy, ActsOnceAnEpisode) {
  std::mt19937 random(7);
  for (int run = 0; run < 300; ++run) {
    Policy policy = late(std::uniform_int_distribution<int>(0, 40)(random));
    policy.include_unknown = run % 2 == 0;
    std::optional<OpenEpisode> open;
    int acts = 0;
    for (std::int64_t now = 1; now < 300; now += std::uniform_int_distribution<int>(1, 15)(random)) {
      const Observation seen{static_cast<Standing>(std::uniform_int_distribution<int>(0, 2)(random)), {}, {}};
      const auto decision = decide(policy, open, seen, true, at(now));
      if (decision.change == Change::close) open.reset(), acts = 0;
      if (decision.change == Change::open) open = OpenEpisode{decision.opened_at, false};
      if (!decision.act) continue;
      ASSERT_TRUE(open);
      ASSERT_GE(at(now) - open->opened_at, policy.after);
      ASSERT_NE(seen.standing, compliant);
      open->acted = true;
      ASSERT_EQ(++acts, 1);
    }
  }
}

TEST(Remedy, PoliciesThatContradictThemselves) {
  const auto refused = [](auto change) {
    Policy policy = late(10);
    change(policy);
    return !validate(policy).ok();
  };
  EXPECT_FALSE(refused([](Policy&) {}));
  EXPECT_TRUE(refused([](Policy& p) { p.after = Duration(-1); }));
  EXPECT_TRUE(refused([](Policy& p) { p.after = kAfterMax + Duration(1); }));
  EXPECT_TRUE(refused([](Policy& p) { p.action = Action::command; }));
  EXPECT_TRUE(refused([](Policy& p) { p.document_name = "AWS-RunPatchBaseline"; }));
  EXPECT_TRUE(refused([](Policy& p) { p.parameters["Operation"] = {"Scan"}; }));
  EXPECT_TRUE(refused([](Policy& p) { p.compliance_types = {}; }));
  EXPECT_TRUE(refused([](Policy& p) { p.compliance_types = {"Weather"}; }));
  EXPECT_TRUE(refused([](Policy& p) { p.action = Action::next_window; }));
  EXPECT_TRUE(refused([](Policy& p) { p.window_id = "mw-0123456789abcdef0"; }));
  EXPECT_FALSE(refused([](Policy& p) { p.compliance_types = {"Custom:Antivirus"}; }));
}

}  // namespace
}  // namespace belay::remedy
