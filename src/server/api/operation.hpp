#pragma once
// What a handler is given and gives back, and the table of the operations that are built.
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "base/time.hpp"
#include "server/api/catalogue.hpp"
#include "server/api/errors.hpp"
#include "server/engine/services.hpp"
#include "store/audit.hpp"
#include "store/store.hpp"

namespace belay::server {

// One call that was signed in, allowed and validated.
struct Call {
  const Services& services;
  Catalogue& catalogue;
  std::string_view operation;
  std::string action;  // "ssm:CreateActivation": the permission, and the word in the audit log
  std::string principal;
  const json::Value& request;
  Instant now{};
  std::string base_url;  // as the client reached us: "https://host:port"

  // The request as a described struct whose members have the names on the wire. It was validated, so this fails only
  // where struct and shape disagree.
  template <typename T>
  Result<T> as() const {
    return json::decode<T>(request).within(std::string(operation));
  }
  std::string text(std::string_view member) const { return json::text_or_empty(request, member); }
  template <typename Work>
  auto read(Work&& work) const {
    return services.store.read(std::forward<Work>(work));
  }
  template <typename Work>
  auto write(Work&& work) const {
    return services.store.write(std::forward<Work>(work));
  }
};

using Handler = Result<json::Object> (*)(const Call&);

// What a second arrival of the very same signed request would do.
enum class Effect {
  reads,  // nothing: taken as often as it comes
  sets,  // the same again: taken once more only at once, for an honest client may ask twice in the second it signs with
  makes,  // something new: never taken twice
};

struct OperationRow {
  std::string_view name;
  Handler handler;
  Effect effect = Effect::reads;
};
// nullptr: not built (yet).
const OperationRow* find_operation(std::string_view name);
std::span<const OperationRow> operation_rows();

// ---- what most handlers need
// Appends to the audit log with the call's principal and action. `detail` must hold no secret.
Status audit_change(store::Sql& sql, const Call& call, std::string_view resource, json::Object detail = {});

// Of an operation that leads to more than its own name says: AccessDeniedException unless the caller may do `action`
// ("ssm:SendCommand") by hand, too. `who_does` is what does it: "an association".
Status require_also(store::Sql& sql, const Call& call, std::string_view action, std::string_view who_does);

// Seconds since 1970, as SSM writes times.
json::Value epoch(Instant at);
inline json::Value epoch(const std::optional<Instant>& at) { return at ? epoch(*at) : json::Value(nullptr); }
// Sets the member where there is something to say.
void put(json::Object& object, std::string_view member, json::Value value);  // passes over null, "" and []

// ---- paging: an opaque token that is good for the same question only
inline constexpr std::string_view kNoPage = "";
// The store's page for this call: MaxResults (else `limit_default`) and NextToken. InvalidNextToken.
Result<store::Page> page_of(const Call& call, std::uint32_t limit_default, std::uint32_t limit_max);
void put_next(json::Object& reply, const Call& call, const std::string& next);

// ---- idempotency of ClientToken: the first answer again, or IdempotentParameterMismatch
Result<json::Object> once(const Call& call, store::Sql& sql, const std::string& token,
                          const std::function<Result<json::Object>()>& work);

}  // namespace belay::server
