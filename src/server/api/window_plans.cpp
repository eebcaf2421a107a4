// When maintenance windows open next, for whom, and what they would do.
#include <map>
#include <set>

#include "base/text.hpp"
#include "server/api/filters.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/window_wire.hpp"
#include "server/engine/change_calendars.hpp"
#include "server/engine/window_preview.hpp"
#include "store/detail.hpp"

namespace belay::server {
namespace {

namespace windows = store::windows;

constexpr std::size_t kOpeningsShown = 5, kOpeningsMax = 50, kNodesShown = 200;

Status every_window(store::Sql& sql, const windows::Filter& filter,
                    const std::function<Status(const windows::Window&)>& take) {
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto found, windows::list(sql, filter, page));
    for (const auto& window : found.items) BELAY_TRY(take(window));
    page.after = found.next;
  } while (!page.after.empty());
  return {};
}

Result<std::set<std::string>> nodes_asked(store::Sql& sql, const Call& call) {
  BELAY_TRY_ASSIGN(const auto targets, wire_targets_of(call.request));
  if (call.text("ResourceType") == "RESOURCE_GROUP")
    return failure("ValidationException", "ResourceType: Belay has no resource groups; use INSTANCE");
  const auto ids = resolve_targets(sql, {}, targets);
  if (!ids.ok() && ids.error().code() == Code::invalid_argument)
    return failure("ValidationException", "Targets: " + ids.error().message());
  if (!ids.ok()) return ids.error();
  return std::set<std::string>(ids->begin(), ids->end());
}

bool have_common(const std::vector<std::string>& ids, const std::set<std::string>& wanted) {
  return std::ranges::any_of(ids, [&](const auto& id) { return wanted.contains(id); });
}

// Whether the window is for any of the nodes: by a target, or by a task that names them.
Result<bool> is_for(store::Sql& sql, const windows::Window& window, const std::set<std::string>& wanted) {
  BELAY_TRY_ASSIGN(const auto targets, windows::targets_of(sql, window.window_id));
  for (const auto& target : targets) {
    BELAY_TRY_ASSIGN(const auto ids, nodes_of_target(sql, target));
    if (have_common(ids, wanted)) return true;
  }
  BELAY_TRY_ASSIGN(const auto tasks, windows::tasks_of(sql, window.window_id));
  for (const auto& row : tasks) {
    BELAY_TRY_ASSIGN(const auto task, json::decode_text<WindowTask>(row.content));
    for (const auto& target : task.targets) {
      if (target.key != "InstanceIds") continue;
      BELAY_TRY_ASSIGN(const auto ids, resolve_targets(sql, {}, {target}));
      if (have_common(ids, wanted)) return true;
    }
  }
  return false;
}

Result<std::vector<windows::Window>> windows_asked(store::Sql& sql, const Call& call, const windows::Filter& filter) {
  std::vector<windows::Window> found;
  if (!call.text("WindowId").empty()) {
    BELAY_TRY_ASSIGN(auto window, window_of(sql, call));
    found.push_back(std::move(window));
    return found;
  }
  const bool by_target = json::find(call.request, "Targets") != nullptr;
  std::set<std::string> wanted;
  if (by_target) {
    BELAY_TRY_ASSIGN(wanted, nodes_asked(sql, call));
  }
  BELAY_TRY(every_window(sql, filter, [&](const windows::Window& window) -> Status {
    if (by_target) {
      BELAY_TRY_ASSIGN(const bool ours, is_for(sql, window, wanted));
      if (!ours) return {};
    }
    found.push_back(window);
    return {};
  }));
  return found;
}

json::Object estimate_reply(const window::Estimate& estimate) {
  json::Object out{{"Runs", estimate.nodes}, {"UnmeasuredRuns", estimate.unmeasured}};
  if (estimate.unmeasured == estimate.nodes && estimate.nodes > 0) return out;  // nothing is known
  out["MedianSeconds"] = seconds_of(estimate.median);
  out["WorstSeconds"] = seconds_of(estimate.worst);
  return out;
}

json::Object invocation_reply(const PreviewedInvocation& invocation) {
  json::Array nodes;
  for (const auto& id : invocation.nodes)
    if (nodes.size() < kNodesShown) nodes.push_back(json::Value(id));
  json::Object out{{"CatchUp", invocation.catch_up},
                   {"NodeCount", invocation.nodes.size()},
                   {"InstanceIds", std::move(nodes)},
                   {"ConcurrencyMax", invocation.concurrency_max}};
  put(out, "WindowTargetId", json::Value(invocation.window_target_id));
  put(out, "Problem", json::Value(invocation.problem));
  put(out, "Remark", json::Value(invocation.remark));
  return out;
}

json::Object task_reply(const PreviewedTask& task) {
  json::Array invocations;
  for (const auto& invocation : task.invocations) invocations.push_back(invocation_reply(invocation));
  return {{"WindowTaskId", task.window_task_id},
          {"TaskArn", task.task_arn},
          {"TaskType", task.type},
          {"Priority", task.priority},
          {"Estimate", estimate_reply(task.estimate)},
          {"Invocations", std::move(invocations)}};
}

}  // namespace

Result<json::Object> describe_maintenance_window_schedule(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 20, 100));
  BELAY_TRY_ASSIGN(const auto asked, filters_of(call.request, {"WindowId", "Name"}));
  windows::Filter filter;
  filter.enabled = true;
  for (const auto& [key, values] : asked)
    if (key == "Name") filter.names = values;
  Instant from = call.now;
  std::string from_id;
  if (!page.after.empty()) {
    const auto cursor = store::detail::parse_cursor(page.after);
    if (!cursor.ok()) return failure("InvalidNextToken", "ask for the first page again");
    from = from_unix_ms(cursor->number);
    from_id = cursor->text;
  }
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, windows_asked(sql, call, filter));
    std::map<std::pair<Instant, std::string>, std::string> opens;  // to the name
    for (const auto& window : found) {
      if (!window.enabled) continue;
      // From an instant before, and one more: windows that open in the very instant of the last one shown follow it by
      // id.
      const auto next = call.services.windows.openings(window, from - Duration(1), page.limit + 2);
      if (!next.ok()) continue;  // its zone is gone from the system; the engine's log says so
      for (const auto& opening : *next)
        if (opening.opens > call.now && std::pair(opening.opens, window.window_id) > std::pair(from, from_id))
          opens.emplace(std::pair(opening.opens, window.window_id), window.name);
    }
    json::Array list;
    json::Object reply;
    for (auto at = opens.begin(); at != opens.end(); ++at) {
      list.push_back(json::Object{
          {"WindowId", at->first.second}, {"Name", at->second}, {"ExecutionTime", to_iso8601(at->first.first)}});
      if (list.size() < page.limit) continue;
      if (std::next(at) != opens.end()) put_next(reply, call, store::detail::cursor(at->first.first, at->first.second));
      break;
    }
    reply["ScheduledWindowExecutions"] = std::move(list);
    return reply;
  });
}

Result<json::Object> describe_maintenance_windows_for_target(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto all, windows_asked(sql, call, {}));
    const auto found = page_of_all(all, page);
    json::Array list;
    for (const auto& window : found.items)
      list.push_back(json::Object{{"WindowId", window.window_id}, {"Name", window.name}});
    json::Object reply{{"WindowIdentities", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

// ---- ours

Result<json::Object> preview_maintenance_window(const Call& call) {
  std::size_t openings = kOpeningsShown;
  if (const auto* wanted = json::find(call.request, "Openings"); wanted && wanted->is_int64())
    openings = std::min<std::size_t>(static_cast<std::size_t>(wanted->get_int64()), kOpeningsMax);
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto window, window_of(sql, call));
    BELAY_TRY_ASSIGN(const auto preview, preview_window(sql, call.services.windows, window, call.services.online_within,
                                                        openings, call.now));
    json::Array next, tasks;
    for (std::size_t i = 0; i < preview.openings.size(); ++i) {
      const auto& opening = preview.openings[i];
      json::Object row{{"OpensDate", epoch(opening.opens)},
                       {"CutoffDate", epoch(opening.cutoff)},
                       {"ClosesDate", epoch(opening.closes)}};
      put(row, "HeldBack", json::Value(preview.held[i]));
      next.push_back(std::move(row));
    }
    for (const auto& task : preview.tasks) tasks.push_back(task_reply(task));
    BELAY_TRY_ASSIGN(const auto missed, windows::missed_of(sql, window.window_id));
    return json::Object{{"WindowId", window.window_id},
                        {"Name", window.name},
                        {"Enabled", window.enabled},
                        {"Openings", std::move(next)},
                        {"Tasks", std::move(tasks)},
                        {"Estimate", estimate_reply(preview.estimate)},
                        {"SecondsToCutoff", (window.duration_hours - window.cutoff_hours) * 3600},
                        {"CalendarNames", texts_reply(window.calendars)},
                        {"Fit", json::encode(preview.fit)},
                        {"MissedNodeCount", missed.size()}};
  });
}

// The change calendars that hold the window back while they are closed; none takes them away.
Result<json::Object> put_maintenance_window_calendars(const Call& call) {
  BELAY_TRY_ASSIGN(const auto names,
                   json::decode<std::vector<std::string>>(call.request.at("CalendarNames"), "CalendarNames"));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(auto window, window_of(sql, call));
    window.calendars.clear();
    for (const auto& name : names) {
      const auto found = find_change_calendar(sql, name);
      if (!found.ok() && !is_no_calendar(found.error())) return found.error();
      if (!found.ok()) return failure("DoesNotExistException", "CalendarNames: " + found.error().message());
      if (std::ranges::find(window.calendars, found->name) == window.calendars.end())
        window.calendars.push_back(found->name);
    }
    window.modified_at = call.now;
    BELAY_TRY(call.services.windows.update(sql, window));
    const auto kept = texts_reply(window.calendars);
    BELAY_TRY(audit_change(sql, call, window.window_id, {{"CalendarNames", kept}}));
    return json::Object{{"WindowId", window.window_id}, {"CalendarNames", kept}};
  });
}

}  // namespace belay::server
