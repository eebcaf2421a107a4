// Create, change, list and delete maintenance windows.
#include "store/windows.hpp"

#include "base/ids.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/api/filters.hpp"
#include "server/api/window_wire.hpp"
#include "server/engine/associations.hpp"
#include "server/engine/uses.hpp"
#include "store/tags.hpp"

namespace belay::server {
namespace {

namespace windows = store::windows;

struct WindowRequest {
  std::optional<std::string> Name, Description, StartDate, EndDate, Schedule, ScheduleTimezone;
  std::optional<std::uint32_t> ScheduleOffset, Duration, Cutoff;
  std::optional<bool> AllowUnassociatedTargets, Enabled;
};
BOOST_DESCRIBE_STRUCT(WindowRequest, (),
                      (Name, Description, StartDate, EndDate, Schedule, ScheduleTimezone, ScheduleOffset, Duration,
                       Cutoff, AllowUnassociatedTargets, Enabled))

// Puts what was given over what is there.
void lay_over(windows::Window& window, const WindowRequest& request) {
  const auto take = [](auto& member, const auto& given) {
    if (given) member = *given;
  };
  take(window.name, request.Name);
  take(window.description, request.Description);
  take(window.start_date, request.StartDate);
  take(window.end_date, request.EndDate);
  take(window.schedule, request.Schedule);
  take(window.timezone, request.ScheduleTimezone);
  if (request.ScheduleOffset) window.schedule_offset = request.ScheduleOffset;
  take(window.duration_hours, request.Duration);
  take(window.cutoff_hours, request.Cutoff);
  take(window.allow_unassociated, request.AllowUnassociatedTargets);
  take(window.enabled, request.Enabled);
}

// A window may not become too short for the cut-off of an association that runs in it.
Status check_those_inside(store::Sql& sql, const windows::Window& window) {
  BELAY_TRY_ASSIGN(const auto inside, associations_in(sql, window.window_id));
  for (const auto& each : inside)
    if (const auto fits = check_cutoff_in(each.settings, window); !fits.ok())
      return failure("ValidationException", "Duration: association " + each.association_id +
                                                " runs in this window: " + fits.error().message());
  return {};
}

json::Object window_reply(const Call& call, const windows::Window& window) {
  json::Object out{{"WindowId", window.window_id},      {"Name", window.name},           {"Enabled", window.enabled},
                   {"Duration", window.duration_hours}, {"Cutoff", window.cutoff_hours}, {"Schedule", window.schedule}};
  put(out, "Description", json::Value(window.description));
  put(out, "ScheduleTimezone", json::Value(window.timezone));
  if (window.schedule_offset) out["ScheduleOffset"] = *window.schedule_offset;
  put(out, "StartDate", json::Value(window.start_date));
  put(out, "EndDate", json::Value(window.end_date));
  if (!window.enabled) return out;
  const auto next = call.services.windows.openings(window, call.now, 1);
  if (next.ok() && !next->empty()) out["NextExecutionTime"] = to_iso8601(next->front().opens);
  return out;
}

json::Object whole_reply(const Call& call, const windows::Window& window) {
  auto out = window_reply(call, window);
  out["AllowUnassociatedTargets"] = window.allow_unassociated;
  out["CreatedDate"] = epoch(window.created_at);
  out["ModifiedDate"] = epoch(window.modified_at);
  return out;
}

}  // namespace

// ---- shared by the files of the windows

Result<std::vector<Target>> wire_targets_of(const json::Value& request, std::string_view member) {
  std::vector<Target> targets;
  const auto* value = json::find(request, member);
  if (!value) return targets;
  BELAY_TRY_ASSIGN(auto wire, json::decode<std::vector<WireWindowTarget>>(*value, std::string(member)));
  for (auto& target : wire) targets.push_back({std::move(target.Key), std::move(target.Values)});
  return targets;
}

json::Array targets_reply(const std::vector<Target>& targets) {
  json::Array out;
  for (const auto& target : targets)
    out.push_back(json::Object{{"Key", target.key}, {"Values", json::encode(target.values)}});
  return out;
}

Error missing_or(const Error& error, std::string_view what, std::string_view id) {
  if (error.code() != Code::not_found) return error;
  return failure("DoesNotExistException", std::string(what) + " " + std::string(id) + " does not exist");
}

Result<windows::Window> window_of(store::Sql& sql, const Call& call) {
  const std::string id = call.text("WindowId");
  auto window = windows::get(sql, id);
  if (!window.ok()) return missing_or(window.error(), "the maintenance window", id);
  return window;
}

bool is_replacing(const Call& call) {
  const auto* replace = json::find(call.request, "Replace");
  return replace && replace->is_bool() && replace->get_bool();
}

json::Object window_audit(const Call& call) {
  json::Object detail = call.request.get_object();
  for (const char* member : {"ClientToken", "TaskParameters", "TaskInvocationParameters", "Tags"}) detail.erase(member);
  return detail;
}

// ---- handlers

Result<json::Object> create_maintenance_window(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<WindowRequest>());
  BELAY_TRY_ASSIGN(const auto tags, tags_of(call.request));
  windows::Window window;
  window.window_id = make_id("mw", io::random_bytes(kIdRandomBytes));
  lay_over(window, request);
  window.created_at = window.modified_at = window.scheduled_at = call.now;
  window.created_by = call.principal;
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    return once(call, sql, call.text("ClientToken"), [&]() -> Result<json::Object> {
      BELAY_TRY(call.services.windows.check(window));
      BELAY_TRY_ASSIGN(const auto count, windows::count(sql));
      if (count >= static_cast<std::int64_t>(kWindowsMax))
        return failure("ResourceLimitExceededException",
                       "there are " + std::to_string(count) + " maintenance windows, the most there may be");
      BELAY_TRY(call.services.windows.create(sql, window));
      if (!tags.empty()) BELAY_TRY(store::tags::set(sql, store::tags::kMaintenanceWindow, window.window_id, tags));
      BELAY_TRY(audit_change(sql, call, window.window_id, window_audit(call)));
      return json::Object{{"WindowId", window.window_id}};
    });
  });
}

Result<json::Object> get_maintenance_window(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto window, window_of(sql, call));
    return whole_reply(call, window);
  });
}

Result<json::Object> update_maintenance_window(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<WindowRequest>());
  const bool whole =
      request.Name && request.Schedule && request.Duration && request.Cutoff && request.AllowUnassociatedTargets;
  if (is_replacing(call) && !whole)
    return failure("ValidationException",
                   "with Replace every field that is left out is emptied, so Name, Schedule, Duration, Cutoff and "
                   "AllowUnassociatedTargets are required");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(auto window, window_of(sql, call));
    const auto hours_before = window.duration_hours;
    if (is_replacing(call)) {
      window.description = window.timezone = window.start_date = window.end_date = "";
      window.schedule_offset.reset();
    }
    lay_over(window, request);
    // An offset that was for a cron goes with it.
    if (request.Schedule && !request.ScheduleOffset && !request.Schedule->starts_with("cron"))
      window.schedule_offset.reset();
    window.modified_at = call.now;
    auto checked = window;
    if (request.Schedule || request.EndDate || request.StartDate) checked.scheduled_at = call.now;
    BELAY_TRY(call.services.windows.check(checked));
    if (window.duration_hours < hours_before) BELAY_TRY(check_those_inside(sql, window));
    BELAY_TRY(call.services.windows.update(sql, window));
    BELAY_TRY(audit_change(sql, call, window.window_id, window_audit(call)));
    BELAY_TRY_ASSIGN(const auto kept, windows::get(sql, window.window_id));
    auto reply = whole_reply(call, kept);
    for (const char* member : {"CreatedDate", "ModifiedDate", "NextExecutionTime"}) reply.erase(member);
    return reply;
  });
}

Result<json::Object> delete_maintenance_window(const Call& call) {
  const std::string id = call.text("WindowId");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    const auto window = windows::get(sql, id);
    if (!window.ok() && window.error().code() != Code::not_found) return window.error();
    if (window.ok()) {
      BELAY_TRY_ASSIGN(const auto user, user_of_window(sql, id));
      if (!user.empty())
        return failure("ResourceInUseException",
                       user + " runs in the maintenance window " + id + "; delete it or take the window from it first");
      BELAY_TRY(call.services.windows.remove(sql, id));
      BELAY_TRY(audit_change(sql, call, id, {{"Name", window->name}}));
    }
    return json::Object{{"WindowId", id}};
  });
}

Result<json::Object> describe_maintenance_windows(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  BELAY_TRY_ASSIGN(const auto asked, filters_of(call.request, {"Name", "Enabled"}));
  windows::Filter filter;
  for (const auto& [key, values] : asked) {
    if (key == "Name") filter.names = values;
    if (key != "Enabled" || values.size() != 1) continue;
    const std::string wanted = to_lower(values.front());
    if (wanted != "true" && wanted != "false")
      return failure("ValidationException", "the filter Enabled takes True or False");
    filter.enabled = wanted == "true";
  }
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, windows::list(sql, filter, page));
    json::Array identities;
    for (const auto& window : found.items) identities.push_back(window_reply(call, window));
    json::Object reply{{"WindowIdentities", std::move(identities)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

}  // namespace belay::server
