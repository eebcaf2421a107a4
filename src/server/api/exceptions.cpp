// Belay's own: what rollouts leave out, for whom, who answers for it, and until when.
#include "base/ids.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/rollout_wire.hpp"
#include "server/api/shapes/validate.hpp"

namespace belay::server {
namespace {

// An exception is an exception: who wants it for longer says so again.
constexpr Duration kExceptionMax{366LL * 24 * 3600 * 1000};

json::Object exception_reply(const store::rollouts::Exception& exception, Instant now) {
  json::Object out{{"ExceptionId", exception.exception_id},
                   {"Owner", exception.owner},
                   {"Reason", exception.reason},
                   {"CreatedBy", exception.created_by},
                   {"CreatedDate", epoch(exception.created_at)},
                   {"ExpiresDate", epoch(exception.expires_at)},
                   {"Expired", exception.expires_at <= now}};
  put(out, "Package", json::Value(exception.package));
  put(out, "Target", json::Value(exception.target));
  return out;
}

Result<store::rollouts::Exception> exception_of(const Call& call) {
  store::rollouts::Exception exception;
  exception.package = call.text("Package");
  exception.target = call.text("Target");
  exception.owner = call.text("Owner");
  exception.reason = call.text("Reason");
  exception.created_by = call.principal;
  exception.created_at = call.now;
  if (exception.package.empty() && exception.target.empty())
    return failure("ValidationException",
                   "name a Package, a Target, or both: without either, nothing would be patched");
  const auto* expires = json::find(call.request, "ExpiresDate");
  const auto at = expires ? shapes::time_of(*expires) : std::nullopt;
  if (!at || *at <= call.now) return failure("ValidationException", "ExpiresDate lies in the past");
  if (*at - call.now > kExceptionMax)
    return failure("ValidationException", "ExpiresDate is more than a year away: an exception ends, or is given anew");
  exception.expires_at = *at;
  return exception;
}

}  // namespace

Result<json::Object> put_exception(const Call& call) {
  BELAY_TRY_ASSIGN(auto exception, exception_of(call));
  exception.exception_id = make_id("ex", io::random_bytes(kIdRandomBytes));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    if (!exception.target.empty() && !exception.target.starts_with("tag:"))
      BELAY_TRY(active_node(sql, exception.target));
    BELAY_TRY(store::rollouts::add_exception(sql, exception));
    BELAY_TRY(audit_change(sql, call, exception.exception_id,
                           {{"package", exception.package},
                            {"target", exception.target},
                            {"owner", exception.owner},
                            {"reason", exception.reason},
                            {"expires", to_iso8601(exception.expires_at)}}));
    return json::Object{{"Exception", exception_reply(exception, call.now)}};
  });
}

Result<json::Object> list_exceptions(const Call& call) {
  const auto in_force_at = flag_of(call, "IncludeExpired") ? std::nullopt : std::optional(call.now);
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, store::rollouts::exceptions(sql, in_force_at));
    json::Array rows;
    for (const auto& exception : found) rows.push_back(exception_reply(exception, call.now));
    return json::Object{{"Exceptions", std::move(rows)}};
  });
}

Result<json::Object> delete_exception(const Call& call) {
  const std::string id = call.text("ExceptionId");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    const Status removed = store::rollouts::remove_exception(sql, id);
    if (!removed.ok() && removed.error().code() == Code::not_found)
      return failure("DoesNotExistException", "there is no exception " + id);
    BELAY_TRY(removed);
    BELAY_TRY(audit_change(sql, call, id));
    return json::Object();
  });
}

}  // namespace belay::server
