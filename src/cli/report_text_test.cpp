#include "cli/report_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::cli {
namespace {
using testing::HasSubstr;
using testing::Not;

TEST(ReportText, TellsWhatFailedInOneLineOfTime) {
  const json::Value report = json::Object{
      {"RolloutId", "ro-1"},
      {"Name", "shop-2"},
      {"State", "Halted"},
      {"Why", "the ring dev has 1 of 1 nodes that failed"},
      {"Failures",
       json::Array{json::Object{
           {"InstanceId", "mi-1"},
           {"State", "RolledBack"},
           {"Why", "shop answers 500"},
           {"Rungs", json::Array{"restart", "packages", "data"}},
           {"Data", json::Object{{"Told", "its data was put back to 10:00"}}},
           {"TimeLine", json::Array{json::Object{{"At", "2026-01-01T10:00:01Z"}, {"What", "installing"}},
                                    json::Object{{"At", "2026-01-01T10:00:09Z"}, {"What", "rolling_back"}}}},
           {"ProbeTurns",
            json::Array{json::Object{
                {"At", "2026-01-01T10:00:05Z"}, {"Probe", "shop"}, {"Healthy", false}, {"Detail", "status 500"}}}},
           {"Journal", "shop[7]: cannot read\x1b[31m its settings"}}}},
      {"Suspects", json::Array{json::Object{{"Package", "shop"}, {"Version", "2.0"}, {"Why", "named"}}}},
      {"Advice", json::Array{"leave it out"}}};
  const auto text = report_text(report);
  EXPECT_THAT(text, HasSubstr("ro-1 shop-2: Halted"));
  EXPECT_THAT(text, HasSubstr("way back: restart, then packages, then data"));
  EXPECT_THAT(text, HasSubstr("    its data was put back to 10:00\n"));
  EXPECT_LT(text.find("installing"), text.find("ILL: status 500"));
  EXPECT_LT(text.find("ILL: status 500"), text.find("rolling_back"));
  EXPECT_THAT(text, HasSubstr("shop 2.0: named"));
  EXPECT_THAT(text, HasSubstr("- leave it out"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b"))) << "a node's log cannot speak to the terminal";
}

TEST(ReportText, OfAGoodRolloutIsShort) {
  const auto text = report_text(json::Object{{"RolloutId", "ro-1"}, {"Name", "x"}, {"State", "Completed"}});
  EXPECT_THAT(text, Not(HasSubstr("What failed")));
  EXPECT_THAT(text, Not(HasSubstr("Suspects")));
}

}  // namespace
}  // namespace belay::cli
