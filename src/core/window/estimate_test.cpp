#include "core/window/estimate.hpp"

#include <gtest/gtest.h>

namespace belay::window {
namespace {
using namespace std::chrono_literals;

TEST(WindowEstimate, MedianAndWorst) {
  EXPECT_EQ(measure({}).runs, 0U);
  const auto measured = measure({9s, 1s, 3s, 2s});
  EXPECT_EQ(measured.runs, 4U);
  EXPECT_EQ(measured.median, 2s);
  EXPECT_EQ(measured.worst, 9s);
}

TEST(WindowEstimate, SlotsSequenceAndPriorities) {
  const Measured ten{3, 10s, 20s};
  const std::vector<PlannedTask> tasks{
      {1, {{2, {ten, ten, ten}}, {1, {ten}}}},  // two turns of two slots, then the second target: 30 s
      {1, {{5, {ten, ten, ten}}}},              // beside it: 10 s
      {7, {{1, {ten, ten}}}},                   // after both: 20 s
  };
  const auto made = estimate(tasks);
  EXPECT_EQ(made.nodes, 9U);
  EXPECT_EQ(made.unmeasured, 0U);
  EXPECT_EQ(made.median, 50s);
  EXPECT_EQ(made.worst, 100s);
}

struct Row {
  Duration median, worst;
  std::uint32_t unmeasured;
  Fit expected;
};

TEST(WindowEstimate, Fit) {
  const Row rows[] = {
      {10s, 60s, 0, Fit::FITS},    {10s, 61s, 0, Fit::USUALLY},  {61s, 99s, 0, Fit::TOO_LONG},
      {10s, 20s, 1, Fit::UNKNOWN}, {61s, 99s, 1, Fit::TOO_LONG},  // what is known is too long already
      {0s, 0s, 0, Fit::FITS},
  };
  for (const auto& row : rows) EXPECT_EQ(fit({row.median, row.worst, 3, row.unmeasured}, 60s), row.expected);
}

}  // namespace
}  // namespace belay::window
