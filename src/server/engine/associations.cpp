#include "server/engine/associations.hpp"

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/engine/association_kind.hpp"
#include "server/engine/association_sets.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/change_calendars.hpp"
#include "store/association_sets.hpp"
#include "store/documents.hpp"
#include "store/executions.hpp"

namespace belay::server {
namespace {
using store::Sql;
namespace associations = store::associations;

constexpr std::string_view kFleetId = "fleet";

Error refuse(std::string what, std::string reason) {
  return Error(Code::invalid_argument, std::move(what), std::move(reason));
}

Status post(Sql& sql, std::string_view association_id, const association::Event& event, const std::string& key) {
  store::executions::Event posted;
  posted.key = key;
  posted.body = json::encode_text(event);
  posted.at = event.at;
  return store::executions::post(sql, kAssociationKind, association_id, posted);
}

Error no_such(const Error& error, std::string_view association_id) {
  if (error.code() != Code::not_found) return error;
  return Error(Code::not_found, "there is no association '" + sanitize(association_id, 64) + "'",
               "AssociationDoesNotExist");
}

json::Object audit_detail(const associations::Association& association) {
  return {{"document", association.document}, {"version", association.version}, {"name", association.name}};
}

Status check_calendars(Sql& sql, const association::Settings& settings) {
  for (const auto& name : settings.calendars) {
    const auto found = find_change_calendar(sql, name);
    if (!found.ok() && !is_no_calendar(found.error())) return found.error();
    if (!found.ok()) return refuse("CalendarNames: " + found.error().message(), "InvalidDocument");
  }
  return {};
}

// What is due outside the window waits until it opens; so it must open after the first due time, or now.
Status check_meets(const Windows& windows, const association::Settings& settings, const store::windows::Window& window,
                   Instant now) {
  BELAY_TRY_ASSIGN(const auto timed, association::schedule_of(settings, now));
  Instant due = now;
  if (timed && settings.only_at_schedule) due = schedule::next(*timed, schedule::ZoneRules{}, now).value_or(now);
  BELAY_TRY_ASSIGN(const auto current, windows.opening_before(window, due));
  const auto margin =
      std::chrono::hours(settings.cutoff_hours.value_or(static_cast<std::int32_t>(window.cutoff_hours)));
  if (current && due < current->closes - margin) return {};
  BELAY_TRY_ASSIGN(const auto later, windows.openings(window, due, 1));
  if (!later.empty()) return {};
  return refuse("WindowId: the maintenance window " + window.window_id + " does not open again after " +
                    to_iso8601(due) + (due == now ? "" : ", when ScheduleExpression is due first") +
                    ": the association would never run",
                "InvalidSchedule");
}

Status check_window(Sql& sql, const Windows& windows, const association::Settings& settings, Instant now) {
  if (settings.window_id.empty()) return {};
  const auto window = store::windows::get(sql, settings.window_id);
  if (!window.ok() && window.error().code() == Code::not_found)
    return refuse("WindowId: there is no maintenance window " + sanitize(settings.window_id, 64), "InvalidParameters");
  if (!window.ok()) return window.error();
  BELAY_TRY(check_cutoff_in(settings, *window));
  return check_meets(windows, settings, *window, now);
}

// A tag may match nobody yet; a node that is named must be there.
Status check_targets(Sql& sql, const association::Settings& settings) {
  const auto ids = resolve_targets(sql, {}, targets_of(settings));
  if (!ids.ok()) return ids.error().within("Targets");
  return require_named_nodes(sql, targets_of(settings));
}

}  // namespace

Result<association::Settings> settings_of(const std::string& content) {
  return json::decode_text<association::Settings>(content, {.bytes_max = store::kTextBytesMax, .depth_max = 64});
}

std::vector<Target> targets_of(const association::Settings& settings) {
  std::vector<Target> targets;
  for (const auto& target : settings.targets) targets.push_back({target.key, target.values});
  return targets;
}

Status check_cutoff_in(const association::Settings& settings, const store::windows::Window& window) {
  if (!settings.cutoff_hours || static_cast<std::uint32_t>(*settings.cutoff_hours) < window.duration_hours) return {};
  return refuse("CutoffHours is " + std::to_string(*settings.cutoff_hours) + ", but the maintenance window " +
                    window.window_id + " is open for " + std::to_string(window.duration_hours) +
                    " hours: nothing could ever begin; write less than that",
                "InvalidSchedule");
}

Status try_association(Sql& sql, const Windows& windows, const association::Settings& settings, Instant now) {
  BELAY_TRY(association::validate(settings, now));
  BELAY_TRY(check_calendars(sql, settings));
  BELAY_TRY(check_window(sql, windows, settings, now));
  BELAY_TRY(check_targets(sql, settings));
  // Sent to nobody: document and parameters are read as they will be.
  const auto sent = Commands::send(sql, association_command(settings, {}), now);
  if (sent.ok()) return {};
  if (sent.error().code() == Code::unsupported) return refuse(sent.error().chain(), "InvalidDocument");
  return sent.error();
}

Status rehearse_association(store::Store& store, const Windows& windows, const association::Settings& settings,
                            Instant now) {
  std::optional<Status> answer;
  const Status given_up = store.write([&](Sql& sql) -> Status {
    answer = try_association(sql, windows, settings, now);
    if (sql.failure()) return *sql.failure();
    return Error(Code::cancelled, "nothing is kept");
  });
  if (given_up.error().code() != Code::cancelled) return given_up;
  return *answer;
}

Result<associations::Association> create_association(Sql& sql, const association::Settings& settings,
                                                     std::string_view by, Instant now) {
  BELAY_TRY_ASSIGN(const auto count, associations::count(sql));
  if (count >= kAssociationsMax)
    return Error(Code::resource_exhausted,
                 "there are " + std::to_string(kAssociationsMax) + " associations already: delete one first",
                 "AssociationLimitExceeded");
  associations::Association made;
  made.association_id = make_uuid(io::random_bytes(kIdRandomBytes));
  made.name = settings.name;
  made.document = settings.document;
  made.content = json::encode_text(settings);
  made.created_at = made.updated_at = now;
  made.created_by = by;
  BELAY_TRY(associations::create(sql, made));
  store::executions::Execution row;
  row.kind = kAssociationKind;
  row.execution_id = made.association_id;
  row.state = json::encode_text(AssociationState{});
  row.wake_at = row.created_at = row.updated_at = now;
  BELAY_TRY(store::executions::create(sql, row));
  association::Event event{association::EventKind::changed, now, 1, {}, ""};
  BELAY_TRY(post(sql, made.association_id, event, "version 1"));
  BELAY_TRY(note_in_audit(sql, now, by, "ssm:CreateAssociation", made.association_id, audit_detail(made)));
  return made;
}

Result<associations::Association> update_association(Sql& sql, std::string_view association_id,
                                                     const association::Settings& settings, std::string_view by,
                                                     Instant now) {
  auto found = associations::get(sql, association_id);
  if (!found.ok()) return no_such(found.error(), association_id);
  ++found->version;
  found->name = settings.name;
  found->document = settings.document;
  found->content = json::encode_text(settings);
  found->updated_at = now;
  const Status added = associations::add_version(sql, *found, by);
  if (!added.ok() && added.error().code() == Code::resource_exhausted)
    return Error(Code::resource_exhausted, added.error().message(), "AssociationVersionLimitExceeded");
  BELAY_TRY(added);
  association::Event event{association::EventKind::changed, now, found->version, {}, ""};
  BELAY_TRY(post(sql, association_id, event, "version " + std::to_string(found->version)));
  BELAY_TRY(note_in_audit(sql, now, by, "ssm:UpdateAssociation", association_id, audit_detail(*found)));
  return found;
}

Status remove_association(Sql& sql, std::string_view association_id, std::string_view by, Instant now) {
  const auto found = associations::get(sql, association_id);
  if (!found.ok()) return no_such(found.error(), association_id);
  BELAY_TRY(forget_association_compliance(sql, association_id, now));
  BELAY_TRY(associations::remove(sql, association_id));
  BELAY_TRY(post(sql, association_id, {association::EventKind::deleted, now, 0, {}, ""}, "deleted"));
  return note_in_audit(sql, now, by, "ssm:DeleteAssociation", association_id, audit_detail(*found));
}

Status run_association(Sql& sql, std::string_view association_id, std::string_view by, Instant now) {
  const auto found = associations::get(sql, association_id);
  if (!found.ok()) return no_such(found.error(), association_id);
  BELAY_TRY(post(sql, association_id, {association::EventKind::once, now, 0, {}, ""}, ""));
  return note_in_audit(sql, now, by, "ssm:StartAssociationsOnce", association_id, audit_detail(*found));
}

Status node_changed(Sql& sql, std::string_view node_id, Instant now) {
  BELAY_TRY_ASSIGN(const auto count, associations::count(sql));
  if (count == 0) return {};
  BELAY_TRY(associations::mark_changed(sql, node_id, now));
  BELAY_TRY(wake_fleet_kind(sql, kAssociationMatcherKind, now));
  const std::string changed[] = {std::string(node_id)};
  BELAY_TRY(store::association_sets::mark(sql, changed, now));
  return wake_fleet_kind(sql, kAssociationSetsKind, now);
}

Status wake_fleet_kind(Sql& sql, std::string_view kind, Instant now) {
  const Status woken = store::executions::wake(sql, kind, kFleetId, now);
  if (woken.ok() || woken.error().code() != Code::not_found) return woken;
  store::executions::Execution row;
  row.kind = kind;
  row.execution_id = kFleetId;
  row.wake_at = row.created_at = row.updated_at = now;
  return store::executions::create(sql, row);
}

Status node_came_back(Sql& sql, std::string_view node_id, Instant now) {
  BELAY_TRY_ASSIGN(const bool missed, associations::has_missed(sql, node_id));
  return missed ? node_changed(sql, node_id, now) : Status();
}

}  // namespace belay::server
