#include "core/schedule/rule_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/schedule/test_zones.hpp"

namespace belay::schedule {
namespace {

struct Row {
  ScheduleText text;
  const char *window_says, *association_says;  // nullptr: taken
};

ScheduleText plain(const char* expression, const char* zone_name = "") {
  return {expression, zone_name, std::nullopt, "", ""};
}

void check(const Row& row, const RuleSet& set, const char* says) {
  const auto given = parse_schedule(row.text, at("2026-11-24"));
  ASSERT_TRUE(given.ok()) << given.error().message();
  const auto verdict = validate(*given, zone(given->timezone), set, at("2026-11-24"));
  EXPECT_EQ(verdict.ok(), says == nullptr) << row.text.expression << " for " << set.name;
  if (!verdict.ok() && says) EXPECT_THAT(verdict.error().message(), testing::HasSubstr(says)) << set.name;
}

TEST(RuleSets, TakeAndRefuseAsSsmDocuments) {
  const Row rows[] = {
      {plain("cron(0 2 ? * THU#3 *)"), nullptr, nullptr},
      {plain("cron(15 13 ? * MON *)"), nullptr, nullptr},
      {plain("cron(0/30 * * * ? *)"), nullptr, nullptr},
      {plain("cron(0 */30 * * * ? *)"), nullptr, nullptr},
      {plain("cron(0 0 ? * 3L *)"), nullptr, nullptr},
      {plain("rate(30 minutes)"), nullptr, nullptr},
      {plain("rate(30 days)"), nullptr, nullptr},
      {plain("at(2027-07-07T13:15:30)"), nullptr, nullptr},
      {plain("cron(24 30 09 ? * * *)"), nullptr, "the seconds of an association can only be 0"},
      {plain("cron(0 2 1 JAN ? *)"), nullptr, "cannot choose months"},
      {plain("cron(0/15 * * * ? *)"), nullptr, "every 30 min at most"},
      {plain("rate(15 minutes)"), nullptr, "30 min or slower"},
      {plain("rate(31 days)"), nullptr, "is below 31 d"},
      {plain("cron(0/4 * * * ? *)"), "Schedule is 'cron(0/4 * * * ? *)': it fires every 4 min",
       "ScheduleExpression is"},
      {plain("cron(* 0 2 * * ? *)"), "it fires every 1 s", "can only be 0"},
      {plain("rate(4 minutes)"), "5 min or slower", "30 min or slower"},
      {plain("cron(0 2 * * ? 2020-2026)"), nullptr, nullptr},
      {plain("cron(0 2 * * ? 2020)"), "never fires after 2026-11-24", "never fires"},
      {plain("at(2026-07-07T13:15:30)"), "choose a time to come", "choose a time to come"},
      {plain("at(2027-03-28T02:30:00)", "Europe/Berlin"), "never is in Europe/Berlin", "never is in Europe/Berlin"},
      {{"rate(7 days)", "", 2, "", ""}, "ScheduleOffset is 2, but 'rate(7 days)' is no cron", "ScheduleOffset"},
      {{"at(2027-07-07T13:15:30)", "", 1, "", ""}, "ScheduleOffset", "ScheduleOffset"},
      {{"cron(0 2 * * ? *)", "", 1, "", ""}, nullptr, nullptr},
      {{"cron(0 2 * * ? *)", "", std::nullopt, "2027-01-02", "2027-01-01"},
       "is not after StartDate",
       "is not after StartDate"},
      {{"cron(0 2 * * ? *)", "", std::nullopt, "", "2026-11-01"}, "has passed", "has passed"},
      {{"cron(0 2 1 * ? *)", "", std::nullopt, "", "2026-11-30"},
       "EndDate 2026-11-30T00:00:00Z is before the first occurrence",
       "EndDate"},
  };
  for (const auto& row : rows) {
    check(row, kMaintenanceWindowRules, row.window_says);
    check(row, kAssociationRules, row.association_says);
  }
}

}  // namespace
}  // namespace belay::schedule
