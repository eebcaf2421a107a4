#include "core/document/review.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace belay::document {
namespace {

using enum ReviewStatus;
using enum ReviewAction;

struct Row {
  ReviewStatus now;
  ReviewAction action;
  std::optional<ReviewStatus> after;
};
constexpr Row kRows[] = {
    {NOT_REVIEWED, SendForReview, PENDING},
    {NOT_REVIEWED, UpdateReview, {}},
    {NOT_REVIEWED, Approve, {}},
    {NOT_REVIEWED, Reject, {}},
    {PENDING, SendForReview, {}},
    {PENDING, UpdateReview, PENDING},
    {PENDING, Approve, APPROVED},
    {PENDING, Reject, REJECTED},
    {APPROVED, SendForReview, PENDING},
    {APPROVED, UpdateReview, {}},
    {APPROVED, Approve, {}},
    {APPROVED, Reject, {}},
    {REJECTED, SendForReview, PENDING},
    {REJECTED, UpdateReview, {}},
    {REJECTED, Approve, {}},
    {REJECTED, Reject, {}},
};

TEST(Review, EachActionInEachState) {
  for (const auto& row : kRows) {
    const auto after = after_review(row.now, row.action);
    SCOPED_TRACE(static_cast<int>(row.now) * 10 + static_cast<int>(row.action));
    ASSERT_EQ(after.ok(), row.after.has_value());
    if (after.ok()) EXPECT_EQ(*after, *row.after);
    else EXPECT_EQ(after.error().reason(), "InvalidDocumentOperation");
  }
}

}  // namespace
}  // namespace belay::document
