#pragma once
// The review of one version of a document: it is sent, then approved or rejected.
#include <boost/describe.hpp>
#include <string_view>

#include "base/result.hpp"

namespace belay::document {

enum class ReviewStatus { NOT_REVIEWED, PENDING, APPROVED, REJECTED };
BOOST_DESCRIBE_ENUM(ReviewStatus, NOT_REVIEWED, PENDING, APPROVED, REJECTED)
enum class ReviewAction { SendForReview, UpdateReview, Approve, Reject };
BOOST_DESCRIBE_ENUM(ReviewAction, SendForReview, UpdateReview, Approve, Reject)

// What the version is after the action. conflict "InvalidDocumentOperation" where no review is under way, or one is
// already.
Result<ReviewStatus> after_review(ReviewStatus now, ReviewAction action);

}  // namespace belay::document
