#include "server/engine/parent.hpp"

#include "base/json.hpp"

namespace belay::server {
namespace {
constexpr std::string_view kKeyPrefix = "child-ended ";
}

bool is_refusal(Code code) {
  return code == Code::invalid_argument || code == Code::not_found || code == Code::unsupported ||
         code == Code::resource_exhausted || code == Code::permission_denied;
}

Status tell_parent(store::Sql& sql, const Parent& parent, ChildEnded ended, Instant now) {
  ended.key = parent.key;
  store::executions::Event event;
  event.key = std::string(kKeyPrefix) + parent.key;
  event.body = json::encode_text(ended);
  event.at = now;
  const Status posted = store::executions::post(sql, parent.kind, parent.execution_id, event);
  return !posted.ok() && posted.error().code() == Code::not_found ? Status() : posted;
}

Result<std::optional<ChildEnded>> child_ended(const store::executions::Event& event) {
  if (!event.key.starts_with(kKeyPrefix)) return std::optional<ChildEnded>();
  BELAY_TRY_ASSIGN(auto ended, json::decode_text<ChildEnded>(event.body));
  return std::optional(std::move(ended));
}

}  // namespace belay::server
