// Reviews of documents. The audit log is their record: each action is one entry under "NAME:VERSION", and nothing is
// kept twice.
#include "base/text.hpp"
#include "server/api/document_wire.hpp"
#include "store/audit.hpp"

namespace belay::server {
namespace {

constexpr std::string_view kAction = "ssm:UpdateDocumentMetadata";

struct Kept {  // the entry's detail
  document::ReviewStatus Status = document::ReviewStatus::NOT_REVIEWED;
  std::string Comment;
};
BOOST_DESCRIBE_STRUCT(Kept, (), (Status, Comment))

std::string resource_of(const ShownDocument& shown) {
  return shown.document.name + ":" + std::to_string(shown.version.version);
}

// Newest first. Entries before the version was made are of a deleted document that had its name.
Result<store::Listed<DocumentReview>> reviews_of(store::Sql& sql, const ShownDocument& shown, const store::Page& page) {
  store::Listed<DocumentReview> reviews;
  if (shown.built_in) return reviews;
  store::audit::Filter filter;
  filter.action = kAction;
  filter.resource = resource_of(shown);
  filter.from = shown.version.created_at;
  BELAY_TRY_ASSIGN(const auto entries, store::audit::list(sql, filter, page));
  reviews.next = entries.next;
  for (const auto& entry : entries.items) {
    BELAY_TRY_ASSIGN(const auto kept, json::decode_text<Kept>(entry.detail));
    reviews.items.push_back({kept.Status, entry.at, entry.actor, kept.Comment});
  }
  return reviews;
}

json::Array comments_reply(const std::string& comment) {
  if (comment.empty()) return {};
  return {json::Object{{"Type", "Comment"}, {"Content", comment}}};
}

std::string comment_of(const json::Value& reviews) {
  const auto* comments = json::find(reviews, "Comment");
  if (!comments || comments->as_array().empty()) return "";
  return json::text_or_empty(comments->as_array().front(), "Content");
}

}  // namespace

Result<DocumentReview> newest_review(store::Sql& sql, const ShownDocument& shown) {
  BELAY_TRY_ASSIGN(const auto reviews, reviews_of(sql, shown, {.limit = 1, .after = {}}));
  return reviews.items.empty() ? DocumentReview() : reviews.items.front();
}

Result<json::Object> update_document_metadata(const Call& call) {
  const auto& wanted = call.request.at("DocumentReviews");
  BELAY_TRY_ASSIGN(const auto action, json::decode<document::ReviewAction>(wanted.at("Action"), "Action"));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY(own_document(sql, call.text("Name")));
    BELAY_TRY_ASSIGN(const auto shown, find_shown_document(sql, call));
    BELAY_TRY_ASSIGN(const auto before, newest_review(sql, shown));
    const auto after = document::after_review(before.status, action);
    if (!after.ok()) return document_failure(after.error().within("document " + resource_of(shown)));
    BELAY_TRY(audit_change(sql, call, resource_of(shown),
                           {{"Status", json::encode(*after)}, {"Comment", comment_of(wanted)}}));
    return json::Object();
  });
}

Result<json::Object> list_document_metadata_history(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto shown, find_shown_document(sql, call));
    BELAY_TRY_ASSIGN(const auto reviews, reviews_of(sql, shown, page));
    json::Array rows;
    for (const auto& review : reviews.items) {
      json::Object row{{"CreateTime", epoch(review.at)},
                       {"UpdatedTime", epoch(review.at)},
                       {"ReviewStatus", json::encode(review.status)},
                       {"Reviewer", review.reviewer}};
      put(row, "Comment", comments_reply(review.comment));
      rows.push_back(std::move(row));
    }
    json::Object reply{{"Name", shown.document.name},
                       {"DocumentVersion", std::to_string(shown.version.version)},
                       {"Metadata", json::Object{{"ReviewerResponse", std::move(rows)}}}};
    put(reply, "Author", json::Value(shown.version.created_by));
    put_next(reply, call, reviews.next);
    return reply;
  });
}

}  // namespace belay::server
