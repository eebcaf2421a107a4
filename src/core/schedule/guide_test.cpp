// The table of examples in the operator's guide says what is computed.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/text.hpp"
#include "core/schedule/schedule.hpp"
#include "core/schedule/test_zones.hpp"

namespace belay::schedule {
namespace {

std::string computed(const std::string& expression, const std::string& zone_name, const std::string& offset) {
  ScheduleText text{expression, zone_name, std::nullopt, "", ""};
  if (!offset.empty()) text.offset_days = std::stoi(offset);
  const Instant after = at("2026-03-01T00:00:00Z");
  const auto schedule = parse_schedule(text, after);
  if (!schedule.ok()) return schedule.error().message();
  std::vector<std::string> due;
  for (const auto instant : occurrences(*schedule, zone(zone_name), after, 2)) {
    std::string local = to_local_iso8601(zone(zone_name), instant);
    local[10] = ' ';
    due.push_back(local);
  }
  return join(due, " · ");
}

TEST(Guide, ExamplesAreWhatIsComputed) {
  std::ifstream guide("docs/guide/schedules.md");
  ASSERT_TRUE(guide) << "run it from the top of the sources";
  std::size_t rows = 0;
  for (std::string line; std::getline(guide, line);) {
    const auto cells = split(line, '|');
    if (cells.size() != 6 || !trim(cells[1]).starts_with('`')) continue;
    std::string expression(trim(cells[1]));
    std::erase(expression, '`');
    EXPECT_EQ(trim(cells[4]), computed(expression, std::string(trim(cells[2])), std::string(trim(cells[3]))))
        << expression;
    ++rows;
  }
  EXPECT_GE(rows, 10U);
}

}  // namespace
}  // namespace belay::schedule
