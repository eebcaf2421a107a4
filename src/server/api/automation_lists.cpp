// Lists of automations and of their steps.
#include <algorithm>

#include "base/text.hpp"
#include "server/api/automation_wire.hpp"
#include "server/api/filters.hpp"
#include "server/api/window_wire.hpp"

namespace belay::server {
namespace {

namespace automations = store::automations;

Error bad_value(const Filter& filter, std::string_view expected) {
  return failure("InvalidFilterValue", "Filters: " + filter.key + " is '" + sanitize(filter.values.front(), 60) +
                                           "', expected " + std::string(expected));
}

Result<Instant> time_of(const Filter& filter) {
  const auto at = parse_iso8601(filter.values.front());
  if (!at.ok()) return bad_value(filter, "a time like 2026-01-31T12:00:00Z");
  return *at;
}

Status check_statuses(const Filter& filter) {
  for (const auto& value : filter.values) {
    automation::Status status{};
    if (!boost::describe::enum_from_string(value.c_str(), status))
      return failure("InvalidFilterValue", "Filters: there is no " + filter.key + " '" + sanitize(value, 60) + "'");
  }
  return {};
}

// Nothing here is of another account, of a change request, or of an OpsItem.
bool is_of_aws(const Filter& filter) {
  if (filter.key == "AutomationType") return std::ranges::find(filter.values, "Local") == filter.values.end();
  return filter.key == "AutomationSubtype" || filter.key == "OpsItemId" || filter.key == "TargetResourceGroup";
}

Status add(const Filter& filter, automations::Filter& into) {
  const auto append = [&](std::vector<std::string>& list) {
    list.insert(list.end(), filter.values.begin(), filter.values.end());
  };
  if (filter.key == "DocumentNamePrefix") append(into.document_prefixes);
  if (filter.key == "ExecutionId") append(into.execution_ids);
  if (filter.key == "ParentExecutionId") append(into.parent_ids);
  if (filter.key == "CurrentAction") append(into.current_actions);
  if (filter.key == "TagKey") append(into.tag_keys);
  if (filter.key == "ExecutionStatus") {
    BELAY_TRY(check_statuses(filter));
    append(into.statuses);
  }
  if (filter.key == "StartTimeBefore") {
    BELAY_TRY_ASSIGN(into.started_before, time_of(filter));
  }
  if (filter.key == "StartTimeAfter") {
    BELAY_TRY_ASSIGN(into.started_after, time_of(filter));
  }
  return {};
}

Result<bool> passes(const automations::Step& step, const Filter& filter) {
  const auto one_of = [&](const std::string& value) {
    return std::ranges::find(filter.values, value) != filter.values.end();
  };
  if (filter.key == "StepExecutionId") return one_of(step.step_id);
  if (filter.key == "StepName") return one_of(step.name);
  if (filter.key == "Action") return one_of(step.action);
  if (filter.key == "StepExecutionStatus") {
    BELAY_TRY(check_statuses(filter));
    return one_of(step.status);
  }
  BELAY_TRY_ASSIGN(const auto at, time_of(filter));
  if (!step.started_at) return false;
  return filter.key == "StartTimeBefore" ? *step.started_at < at : *step.started_at > at;
}

}  // namespace

Result<json::Object> describe_automation_executions(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  BELAY_TRY_ASSIGN(const auto asked,
                   filters_of(call.request,
                              {"DocumentNamePrefix", "ExecutionStatus", "ExecutionId", "ParentExecutionId",
                               "CurrentAction", "StartTimeBefore", "StartTimeAfter", "AutomationType", "TagKey",
                               "TargetResourceGroup", "AutomationSubtype", "OpsItemId"},
                              "InvalidFilterKey"));
  automations::Filter filter;
  bool nothing = false;
  for (const auto& each : asked) {
    nothing = nothing || is_of_aws(each);
    BELAY_TRY(add(each, filter));
  }
  if (nothing) return json::Object{{"AutomationExecutionMetadataList", json::Array()}};
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto listed, automations::list(sql, filter, page));
    json::Array items;
    for (const auto& row : listed.items) {
      BELAY_TRY_ASSIGN(const auto settings, settings_of(row));
      BELAY_TRY_ASSIGN(auto out, automation_reply(row, settings));
      out["AutomationType"] = "Local";
      items.push_back(std::move(out));
    }
    json::Object reply{{"AutomationExecutionMetadataList", std::move(items)}};
    put_next(reply, call, listed.next);
    return reply;
  });
}

Result<json::Object> describe_automation_step_executions(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  BELAY_TRY_ASSIGN(const auto asked, filters_of(call.request,
                                                {"StartTimeBefore", "StartTimeAfter", "StepExecutionStatus",
                                                 "StepExecutionId", "StepName", "Action"},
                                                "InvalidFilterKey"));
  const auto* reverse = json::find(call.request, "ReverseOrder");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto row, automation_of(sql, call));
    BELAY_TRY_ASSIGN(const auto steps, automations::steps_of(sql, row.execution_id));
    std::vector<automations::Step> wanted;
    for (const auto& step : steps) {
      bool all = true;
      for (const auto& filter : asked) {
        BELAY_TRY_ASSIGN(const bool one, passes(step, filter));
        all = all && one;
      }
      if (all) wanted.push_back(step);
    }
    if (reverse && reverse->is_bool() && reverse->get_bool()) std::ranges::reverse(wanted);
    const auto found = page_of_all(wanted, page);
    json::Array items;
    for (const auto& step : found.items) {
      BELAY_TRY_ASSIGN(auto reply, step_reply(step));
      items.push_back(std::move(reply));
    }
    json::Object reply{{"StepExecutions", std::move(items)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

}  // namespace belay::server
