#include "base/result.hpp"

#include <gtest/gtest.h>

#include "base/error_table.hpp"

namespace belay {
namespace {

Result<int> half(int x) {
  if (x % 2) return Error(Code::invalid_argument, "odd", "odd-number");
  return x / 2;
}

Result<int> quarter(int x) {
  BELAY_TRY_ASSIGN(const int h, half(x).within("first half"));
  return half(h).within("second half");
}

TEST(Result, CarriesTheChainOutward) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().chain(), "second half: odd");
  EXPECT_EQ(quarter(7).error().chain(), "first half: odd");
  EXPECT_EQ(quarter(7).error().reason(), "odd-number");
  EXPECT_EQ(quarter(7).error().code(), Code::invalid_argument);
}

TEST(ErrorTable, HasARowForEveryCode) {
  for (int code = 0; code <= static_cast<int>(Code::internal); ++code)
    EXPECT_EQ(static_cast<int>(meaning(static_cast<Code>(code)).code), code);
}

}  // namespace
}  // namespace belay
