#pragma once
// One line for what many do: append to the audit log in the transaction of the change.
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "store/audit.hpp"

namespace belay::server {

inline Status note_in_audit(store::Sql& sql, Instant at, std::string_view actor, std::string_view action,
                            std::string_view resource, const json::Object& detail = {}) {
  store::audit::Entry entry;
  entry.at = at;
  entry.actor = actor.empty() ? "belayd" : actor;  // nobody is named: the server itself
  entry.action = action;
  entry.resource = resource;
  entry.detail = json::to_text(detail);
  return store::audit::append(sql, entry);
}

}  // namespace belay::server
