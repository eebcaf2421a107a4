#pragma once
// What documents.cpp, document_lists.cpp and document_reviews.cpp share.
#include <optional>
#include <string>
#include <string_view>

#include "core/document/built_in.hpp"
#include "core/document/review.hpp"
#include "server/api/handlers.hpp"
#include "store/documents.hpp"

namespace belay::server {

// One version of one document, built in or not.
struct ShownDocument {
  store::documents::Document document;
  store::documents::Version version;
  bool built_in = false;
};
ShownDocument show_built_in(const document::BuiltIn& built_in, std::string_view name);
// SSM's DocumentIdentifier, without what only some lists say.
json::Object identity_reply(const ShownDocument& shown);
// By the request's Name, DocumentVersion and VersionName.
Result<ShownDocument> find_shown_document(store::Sql& sql, const Call& call);
// One that may be changed: not a built-in one.
Result<store::documents::Document> own_document(store::Sql& sql, std::string_view name);
// The errors of core/document carry SSM's exception as their reason.
Error document_failure(const Error& error);

// Where the review of a version stands, by the audit log, which is its only record.
struct DocumentReview {
  document::ReviewStatus status = document::ReviewStatus::NOT_REVIEWED;
  Instant at{};
  std::string reviewer, comment;
};
Result<DocumentReview> newest_review(store::Sql& sql, const ShownDocument& shown);

}  // namespace belay::server
