#include "server/api/operation.hpp"

#include "base/bytes.hpp"
#include "io/crypto.hpp"
#include "server/engine/permissions.hpp"
#include "store/idempotency.hpp"
#include "store/principals.hpp"

namespace belay::server {
namespace {

constexpr std::size_t kTokenBytesMax = 4'096;

// Of what was asked, but for where to go on.
std::string question_hash(const Call& call) {
  json::Object question = call.request.get_object();
  question.erase("NextToken");
  question.erase("MaxResults");
  return io::sha256_hex(std::string(call.operation) + json::to_canonical_text(question)).substr(0, 16);
}

}  // namespace

Status audit_change(store::Sql& sql, const Call& call, std::string_view resource, json::Object detail) {
  store::audit::Entry entry;
  entry.at = call.now;
  entry.actor = call.principal;
  entry.action = call.action;
  entry.resource = resource;
  entry.detail = json::to_text(detail);
  return store::audit::append(sql, entry);
}

Status require_also(store::Sql& sql, const Call& call, std::string_view action, std::string_view who_does) {
  BELAY_TRY_ASSIGN(const auto principal, store::principals::get(sql, call.principal));
  if (is_allowed(principal.permissions, action)) return {};
  return failure("AccessDeniedException", "User: " + call.principal + " is not authorized to perform: " +
                                              std::string(action) + ", which " + std::string(who_does) + " does");
}

json::Value epoch(Instant at) {
  const std::int64_t ms = to_unix_ms(at);
  if (ms % 1000 == 0) return ms / 1000;
  return static_cast<double>(ms) / 1000.0;
}

void put(json::Object& object, std::string_view member, json::Value value) {
  const bool empty = value.is_null() || (value.is_string() && value.get_string().empty()) ||
                     (value.is_array() && value.get_array().empty());
  if (!empty) object[member] = std::move(value);
}

Result<store::Page> page_of(const Call& call, std::uint32_t limit_default, std::uint32_t limit_max) {
  store::Page page;
  page.limit = limit_default;
  if (const auto* wanted = json::find(call.request, "MaxResults"); wanted && wanted->is_int64())
    page.limit = static_cast<std::uint32_t>(wanted->get_int64());
  page.limit = std::max<std::uint32_t>(1, std::min({page.limit, limit_max, store::kPageLimitMax}));
  const std::string token = call.text("NextToken");
  if (token.empty()) return page;
  const auto refused = [] {
    return failure("InvalidNextToken", "the NextToken is not valid for this request: ask for the first page again");
  };
  if (token.size() > kTokenBytesMax) return refused();
  const auto text = from_base64(token);
  if (!text.ok() || text->size() < 16 || text->substr(0, 16) != question_hash(call)) return refused();
  page.after = text->substr(16);
  return page;
}

void put_next(json::Object& reply, const Call& call, const std::string& next) {
  if (!next.empty()) reply["NextToken"] = to_base64(question_hash(call) + next);
}

Result<json::Object> once(const Call& call, store::Sql& sql, const std::string& token,
                          const std::function<Result<json::Object>()>& work) {
  if (token.empty()) return work();
  const store::idempotency::Key key{call.principal, std::string(call.operation), token};
  const std::string hash = io::sha256_hex(json::to_canonical_text(call.request));
  BELAY_TRY_ASSIGN(const auto before, store::idempotency::recall(sql, key, hash, call.now));
  if (before) {
    BELAY_TRY_ASSIGN(auto reply, json::parse(*before));
    return std::move(reply.as_object());
  }
  BELAY_TRY_ASSIGN(auto reply, work());
  BELAY_TRY(store::idempotency::remember(sql, key, hash, json::to_text(reply), call.now));
  return reply;
}

}  // namespace belay::server
