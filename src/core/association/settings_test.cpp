#include "core/association/settings.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "base/json.hpp"

namespace belay::association {
namespace {

const Instant kNow = from_unix_ms(1'800'000'000'000);

Settings good() {
  Settings settings;
  settings.document = "AWS-RunPatchBaseline";
  settings.targets = {{"tag:role", {"web"}}};
  return settings;
}

struct Row {
  const char* what;
  std::function<void(Settings&)> change;
  std::string reason, names;  // "" reason: it is right
};

TEST(AssociationSettings, WhatIsTakenAndMayNotBeMeantIsSaid) {
  Settings settings = good();
  EXPECT_TRUE(notes(settings).empty());
  settings.duration_hours = 2;
  ASSERT_EQ(notes(settings).size(), 1u);
  EXPECT_NE(notes(settings)[0].find("no ScheduleExpression"), std::string::npos);
  settings.schedule = "rate(1 hour)";
  ASSERT_EQ(notes(settings).size(), 1u);
  EXPECT_NE(notes(settings)[0].find("due again after"), std::string::npos) << notes(settings)[0];
  settings.schedule = "cron(0 2 ? * SUN *)";
  EXPECT_TRUE(notes(settings).empty());
}

TEST(AssociationSettings, WhatGoesTogetherAndWhatDoesNot) {
  const Row rows[] = {
      {"nothing but a document and targets", [](Settings&) {}, "", ""},
      {"no document", [](Settings& s) { s.document.clear(); }, "InvalidDocument", "Name"},
      {"no targets", [](Settings& s) { s.targets.clear(); }, "InvalidTarget", "Targets"},
      {"a target without values", [](Settings& s) { s.targets[0].values.clear(); }, "InvalidTarget", "tag:role"},
      {"half-hourly", [](Settings& s) { s.schedule = "rate(30 minutes)"; }, "", ""},
      {"faster", [](Settings& s) { s.schedule = "rate(29 minutes)"; }, "InvalidSchedule", "ScheduleExpression"},
      {"a month and more", [](Settings& s) { s.schedule = "rate(31 days)"; }, "InvalidSchedule", "ScheduleExpression"},
      {"weekly", [](Settings& s) { s.schedule = "cron(0 2 ? * SUN *)"; }, "", ""},
      {"of one month", [](Settings& s) { s.schedule = "cron(0 2 ? 5 SUN *)"; }, "InvalidSchedule", "month"},
      {"no expression", [](Settings& s) { s.schedule = "weekly"; }, "InvalidSchedule", ""},
      {"in the past", [](Settings& s) { s.schedule = "at(2020-01-01T00:00:00)"; }, "InvalidSchedule", ""},
      {"offset on a cron",
       [](Settings& s) {
         s.schedule = "cron(0 2 ? * TUE#2 *)";
         s.offset_days = 2;
       },
       "", ""},
      {"offset on a rate",
       [](Settings& s) {
         s.schedule = "rate(1 day)";
         s.offset_days = 2;
       },
       "InvalidSchedule", "ScheduleOffset"},
      {"offset alone", [](Settings& s) { s.offset_days = 2; }, "InvalidSchedule", "ScheduleOffset"},
      {"only at no schedule", [](Settings& s) { s.only_at_schedule = true; }, "InvalidSchedule", "ApplyOnly"},
      {"only at a rate",
       [](Settings& s) {
         s.only_at_schedule = true;
         s.schedule = "rate(1 day)";
       },
       "InvalidSchedule", "ApplyOnly"},
      {"a cut-off of nothing", [](Settings& s) { s.cutoff_hours = 1; }, "InvalidSchedule", "CutoffHours"},
      {"a cut-off before it begins",
       [](Settings& s) {
         s.duration_hours = 2;
         s.cutoff_hours = 2;
       },
       "InvalidSchedule", "CutoffHours"},
      {"a cut-off in a window",
       [](Settings& s) {
         s.window_id = "mw-1";
         s.cutoff_hours = 1;
       },
       "", ""},
      {"a concurrency of nothing", [](Settings& s) { s.max_concurrency = "0"; }, "InvalidParameters", "MaxConcurrency"},
      {"an error budget of shares", [](Settings& s) { s.max_errors = "101%"; }, "InvalidParameters", "MaxErrors"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    Settings settings = good();
    row.change(settings);
    const Status status = validate(settings, kNow);
    if (row.reason.empty()) {
      EXPECT_TRUE(status.ok()) << status.error().chain();
      EXPECT_EQ(json::decode_text<Settings>(json::encode_text(settings)).value(), settings);
      continue;
    }
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().reason(), row.reason);
    EXPECT_NE(status.error().chain().find(row.names), std::string::npos) << status.error().chain();
  }
}

}  // namespace
}  // namespace belay::association
