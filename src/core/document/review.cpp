#include "core/document/review.hpp"

#include <string>

namespace belay::document {
namespace {

Error refused(std::string why) { return Error(Code::conflict, std::move(why), "InvalidDocumentOperation"); }

}  // namespace

Result<ReviewStatus> after_review(ReviewStatus now, ReviewAction action) {
  const bool pending = now == ReviewStatus::PENDING;
  if (action == ReviewAction::SendForReview) {
    if (pending) return refused("the version is in review already; UpdateReview changes the comment");
    return ReviewStatus::PENDING;
  }
  if (!pending) return refused("the version is not in review; SendForReview begins one");
  if (action == ReviewAction::UpdateReview) return ReviewStatus::PENDING;
  return action == ReviewAction::Approve ? ReviewStatus::APPROVED : ReviewStatus::REJECTED;
}

}  // namespace belay::document
