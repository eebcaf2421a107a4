#include "core/baseline/validate.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/baseline/predefined.hpp"
#include "core/baseline/test_values.hpp"

namespace belay::baseline {
namespace {

using namespace test;
using enum PatchFilterKey;
using OS = OperatingSystem;

struct Row {
  const char* fact;
  Change change;
  std::string field;  // of the first error; "" for valid
};

const std::string kRule0 = "ApprovalRules.PatchRules[0]";

const std::vector<Row>& rows() {
  const auto first = [](auto change) -> Change { return [change](PatchBaseline& b) { change(b.approval_rules[0]); }; };
  static const std::vector<Row> all{
      {"as it stands", [](auto&) {}, ""},
      {"name of 2 characters", [](auto& b) { b.name = "ab"; }, "Name"},
      {"name of 129", [](auto& b) { b.name = std::string(129, 'a'); }, "Name"},
      {"name of 128", [](auto& b) { b.name = std::string(128, 'a'); }, ""},
      {"name with a space", [](auto& b) { b.name = "my baseline"; }, "Name"},
      {"id of another kind", [](auto& b) { b.id = "mi-0123456789abcdef0"; }, "BaselineId"},
      {"no id", [](auto& b) { b.id = ""; }, ""},
      {"description of 1025", [](auto& b) { b.description = std::string(1025, 'a'); }, "Description"},
      {"description in no UTF-8", [](auto& b) { b.description = "a\xff"; }, "Description"},
      {"11 rules", [](auto& b) { b.approval_rules.assign(11, rule()); }, "ApprovalRules.PatchRules"},
      {"10 rules", [](auto& b) { b.approval_rules.assign(10, rule()); }, ""},
      {"days and date", first([](PatchRule& r) { r.approve_until_date = "2026-11-23"; }), kRule0 + ".ApproveUntilDate"},
      {"neither", first([](PatchRule& r) { r.approve_after_days.reset(); }), kRule0 + ".ApproveAfterDays"},
      {"neither on Debian",
       [](auto& b) { b.operating_system = OS::DEBIAN, b.approval_rules[0].approve_after_days.reset(); }, ""},
      {"361 days", first([](PatchRule& r) { r.approve_after_days = 361; }), kRule0 + ".ApproveAfterDays"},
      {"360 days", first([](PatchRule& r) { r.approve_after_days = 360; }), ""},
      {"-1 days", first([](PatchRule& r) { r.approve_after_days = -1; }), kRule0 + ".ApproveAfterDays"},
      {"a date that is none", first([](PatchRule& r) { r = rule({.until = "2026-02-30"}); }),
       kRule0 + ".ApproveUntilDate"},
      {"a date with a time", first([](PatchRule& r) { r = rule({.until = "2026-02-03T00:00:00Z"}); }),
       kRule0 + ".ApproveUntilDate"},
      {"a date", first([](PatchRule& r) { r = rule({.until = "2026-02-28"}); }), ""},
      {"5 filters", first([](PatchRule& r) { r.filters.assign(5, {PRODUCT, {"*"}}); }),
       kRule0 + ".PatchFilterGroup.PatchFilters"},
      {"no values", first([](PatchRule& r) { r.filters = {{PRODUCT, {}}}; }),
       kRule0 + ".PatchFilterGroup.PatchFilters[0].Values"},
      {"21 values", first([](PatchRule& r) { r.filters = {{PRODUCT, std::vector<std::string>(21, "x")}}; }),
       kRule0 + ".PatchFilterGroup.PatchFilters[0].Values"},
      {"an empty value", first([](PatchRule& r) { r.filters = {{PRODUCT, {"a", ""}}}; }),
       kRule0 + ".PatchFilterGroup.PatchFilters[0].Values[1]"},
      {"the same key twice", first([](PatchRule& r) { r.filters = {{PRODUCT, {"a"}}, {PRODUCT, {"b"}}}; }),
       kRule0 + ".PatchFilterGroup.PatchFilters[0].Key"},
      {"PRIORITY on rpm", first([](PatchRule& r) { r.filters = {{PRIORITY, {"optional"}}}; }),
       kRule0 + ".PatchFilterGroup.PatchFilters[0].Key"},
      {"SEVERITY on Debian",
       [](auto& b) { b.operating_system = OS::DEBIAN, b.approval_rules[0].filters = {{SEVERITY, {"Low"}}}; },
       kRule0 + ".PatchFilterGroup.PatchFilters[0].Key"},
      {"SECTION on Ubuntu",
       [](auto& b) { b.operating_system = OS::UBUNTU, b.approval_rules[0].filters = {{SECTION, {"libs"}}}; }, ""},
      {"global filters are filters too", [](auto& b) { b.global_filters = {{MSRC_SEVERITY, {"Critical"}}}; },
       "GlobalFilters.PatchFilters[0].Key"},
      {"51 approved", [](auto& b) { b.approved_patches.assign(51, "a"); }, "ApprovedPatches"},
      {"101 characters rejected", [](auto& b) { b.rejected_patches = {"a", std::string(101, 'a')}; },
       "RejectedPatches[1]"},
      {"repositories, which nobody would use", [](auto& b) { b.sources = {{"abc", {"*"}, "[x]"}}; }, "Sources"},
      {"non-security on Windows",
       [](auto& b) { b.operating_system = OS::WINDOWS, b.approved_patches_enable_non_security = true; },
       "ApprovedPatchesEnableNonSecurity"},
  };
  return all;
}

TEST(Validate, NamesTheField) {
  for (const auto& row : rows()) {
    const auto made = baseline({rule()}, {row.change});
    const auto errors = validate(made);
    EXPECT_EQ(errors.empty() ? "" : errors.front().field, row.field)
        << row.fact << (errors.empty() ? "" : ": " + errors.front().message);
    EXPECT_EQ(check(made).ok(), row.field.empty()) << row.fact;
    if (!errors.empty()) EXPECT_FALSE(errors.front().message.empty());
  }
}

TEST(Validate, TellsEveryFault) {
  auto made = baseline({rule({.days = 400})});
  made.name = "x";
  made.approved_patches = {""};
  EXPECT_EQ(validate(made).size(), 3u);
}

TEST(Predefined, AreThereForEverySystemAndValid) {
  std::set<std::string> ids;
  for (const auto& made : predefined_baselines()) {
    EXPECT_TRUE(check(made).ok()) << made.name << check(made).error().message();
    EXPECT_TRUE(made.predefined);
    EXPECT_TRUE(made.name.starts_with("AWS-") && made.name.ends_with("DefaultPatchBaseline")) << made.name;
    EXPECT_TRUE(ids.insert(made.id).second) << made.id;
    EXPECT_EQ(predefined_baseline(made.operating_system), &made);
    EXPECT_EQ(predefined_baseline_by_id(made.id), &made);
  }
  EXPECT_EQ(ids.size(), 14u);
  EXPECT_EQ(predefined_baseline(OS::MACOS), nullptr);
  EXPECT_EQ(predefined_baseline(OS::DEBIAN)->id, "pb-191a069a04055c2a3") << "ids must never change";
}

TEST(Predefined, ApproveWhatTheGuideSays) {
  const auto state = [](OS system, const Offer& offered) {
    return judge({offered}, *predefined_baseline(system)).verdicts[0].state;
  };
  for (const auto system :
       {OS::AMAZON_LINUX_2, OS::AMAZON_LINUX_2023, OS::REDHAT_ENTERPRISE_LINUX, OS::ROCKY_LINUX, OS::ALMA_LINUX}) {
    EXPECT_EQ(state(system, security("1.1-1")), PatchState::MISSING);
    EXPECT_EQ(state(system, security("1.1-1", "2026-01-01", "Medium")), PatchState::INSTALLED_OTHER);
    EXPECT_EQ(state(system, bugfix("1.1-1")), PatchState::MISSING);
    EXPECT_EQ(state(system, plain("1.1-1")), PatchState::INSTALLED_OTHER);
    EXPECT_EQ(state(system, security("1.1-1", "2026-11-17")), PatchState::AVAILABLE_SECURITY_UPDATE);
  }
  EXPECT_EQ(state(OS::ORACLE_LINUX, security("1.1-1", "2026-01-01", "Moderate")), PatchState::MISSING);
  EXPECT_EQ(state(OS::ORACLE_LINUX, security("1.1-1", "2026-01-01", "Critical")), PatchState::INSTALLED_OTHER);
  EXPECT_EQ(state(OS::SUSE, security("1.1-1", "2026-01-01", "important")), PatchState::MISSING);
  EXPECT_EQ(state(OS::SUSE, bugfix("1.1-1")), PatchState::INSTALLED_OTHER);
  EXPECT_EQ(state(OS::CENTOS, plain("1.1-1")), PatchState::MISSING);
  for (const auto system : {OS::DEBIAN, OS::UBUNTU, OS::RASPBIAN}) {
    auto today = deb("1.1-1", true, "2026-11-23");
    today.priority = "optional";
    EXPECT_EQ(state(system, today), PatchState::MISSING);
    EXPECT_EQ(state(system, deb("1.1-1", false)), PatchState::INSTALLED_OTHER);
  }
}

}  // namespace
}  // namespace belay::baseline
