#include "core/command/rate.hpp"

#include <gtest/gtest.h>

namespace belay::command {
namespace {

struct Row {
  const char* text;
  std::uint32_t targets;
  int concurrency, errors;  // -1: refused
};
constexpr Row kRows[] = {
    {"1", 10, 1, 1},
    {"50", 10, 50, 50},
    {"10%", 50, 5, 5},
    {"10%", 5, 1, 0},
    {"99%", 100, 99, 99},
    {"100%", 7, 7, 7},
    {"0", 10, -1, 0},
    {"0%", 10, -1, 0},
    {"", 10, -1, -1},
    {"%", 10, -1, -1},
    {"101%", 10, -1, -1},
    {"-1", 10, -1, -1},
    {"+1", 10, -1, -1},
    {"01", 10, -1, -1},
    {"1.5", 10, -1, -1},
    {" 1", 10, -1, -1},
    {"1 %", 10, -1, -1},
    {"10%%", 10, -1, -1},
    {"9999999", 1, -1, -1},
    {"99999999999999999999", 1, -1, -1},
    {"50%", 100'000, 50'000, 50'000},
};

TEST(Rate, Table) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.text);
    const auto concurrency = max_concurrency(row.text, row.targets);
    EXPECT_EQ(concurrency.ok() ? static_cast<int>(*concurrency) : -1, row.concurrency);
    const auto errors = max_errors(row.text, row.targets);
    EXPECT_EQ(errors.ok() ? static_cast<int>(*errors) : -1, row.errors);
    if (!concurrency.ok()) EXPECT_EQ(concurrency.error().code(), Code::invalid_argument);
  }
}

}  // namespace
}  // namespace belay::command
