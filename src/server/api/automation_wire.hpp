#pragma once
// Automations on the wire: what the handlers of automations.cpp and automation_lists.cpp share.
#include "server/api/handlers.hpp"
#include "server/engine/automations.hpp"

namespace belay::server {

// The automation that the request names, or AutomationExecutionNotFoundException.
Result<store::automations::Execution> automation_of(store::Sql& sql, const Call& call);
// What both Get and Describe show.
Result<json::Object> automation_reply(const store::automations::Execution& row, const AutomationSettings& settings);
Result<json::Object> step_reply(const store::automations::Step& step);

}  // namespace belay::server
