// Create, read, change, run and delete associations.
#include "store/associations.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "server/api/association_wire.hpp"
#include "server/api/filters.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/window_wire.hpp"
#include "server/engine/association_sets.hpp"
#include "store/executions.hpp"

namespace belay::server {
namespace {

using association::Settings;
namespace associations = store::associations;
using Association = associations::Association;

struct WireAssociation {
  std::string Name, AssociationName, DocumentVersion, InstanceId, ScheduleExpression, MaxConcurrency, MaxErrors;
  std::map<std::string, std::vector<std::string>> Parameters;
  std::vector<std::string> CalendarNames;
  bool ApplyOnlyAtCronInterval = false;
  std::optional<std::int32_t> ScheduleOffset, Duration;
  std::optional<association::Severity> ComplianceSeverity;
  std::optional<association::SyncCompliance> SyncCompliance;
};
BOOST_DESCRIBE_STRUCT(WireAssociation, (),
                      (Name, AssociationName, DocumentVersion, InstanceId, ScheduleExpression, MaxConcurrency,
                       MaxErrors, Parameters, CalendarNames, ApplyOnlyAtCronInterval, ScheduleOffset, Duration,
                       ComplianceSeverity, SyncCompliance))
struct WindowRequest {
  std::string AssociationId, WindowId;
  std::optional<std::int32_t> CutoffHours;
};
BOOST_DESCRIBE_STRUCT(WindowRequest, (), (AssociationId, WindowId, CutoffHours))
struct WireStatus {
  std::string Name, Message;
};
BOOST_DESCRIBE_STRUCT(WireStatus, (), (Name, Message))
struct StatusRequest {
  std::string Name, InstanceId;
  WireStatus AssociationStatus;
};
BOOST_DESCRIBE_STRUCT(StatusRequest, (), (Name, InstanceId, AssociationStatus))
struct OnceRequest {
  std::vector<std::string> AssociationIds;
};
BOOST_DESCRIBE_STRUCT(OnceRequest, (), (AssociationIds))

struct MissingRow {
  const char *member, *exception, *instead;
};
// Saying yes and doing nothing would be a lie.
constexpr MissingRow kMissing[] = {
    {"OutputLocation", "InvalidOutputLocation", kOutputIsKept},
    {"TargetLocations", "ValidationException", "Belay has no accounts and regions"},
    {"TargetMaps", "InvalidTargetMaps", "use Targets"},
    {"AutomationTargetParameterName", "ValidationException", "associations run Command documents"},
    {"AlarmConfiguration", "ValidationException", "Belay reads no CloudWatch alarms"},
    {"AssociationDispatchAssumeRole", "ValidationException", "Belay has no roles of AWS"},
};
Status refuse_what_is_not_there(const json::Value& request) {
  for (const auto& row : kMissing)
    if (json::find(request, row.member))
      return failure(row.exception, std::string(row.member) + " is not supported: leave it out; " + row.instead);
  return {};
}

// An association does nothing that whoever writes, starts or places it may not do by hand.
Status require_sending(const Call& call) {
  return call.read([&](store::Sql& sql) { return require_also(sql, call, "ssm:SendCommand", "an association"); });
}

Result<Settings> settings_in(const json::Value& request) {
  BELAY_TRY(refuse_what_is_not_there(request));
  BELAY_TRY_ASSIGN(auto wire, json::decode<WireAssociation>(request));
  BELAY_TRY_ASSIGN(const auto targets, wire_targets_of(request));
  if (!wire.InstanceId.empty() && !targets.empty())
    return failure("InvalidTarget", "give either InstanceId or Targets, not both");
  Settings settings;
  settings.name = std::move(wire.AssociationName);
  settings.document = std::move(wire.Name);
  settings.document_version = std::move(wire.DocumentVersion);
  settings.parameters = std::move(wire.Parameters);
  for (const auto& target : targets) settings.targets.push_back({target.key, target.values});
  settings.single_instance = !wire.InstanceId.empty();
  if (settings.single_instance) settings.targets = {{"InstanceIds", {wire.InstanceId}}};
  settings.schedule = std::move(wire.ScheduleExpression);
  settings.only_at_schedule = wire.ApplyOnlyAtCronInterval;
  settings.offset_days = wire.ScheduleOffset;
  settings.duration_hours = wire.Duration;
  settings.max_concurrency = std::move(wire.MaxConcurrency);
  settings.max_errors = std::move(wire.MaxErrors);
  settings.severity = wire.ComplianceSeverity;
  settings.sync_compliance = wire.SyncCompliance;
  settings.calendars = std::move(wire.CalendarNames);
  return settings;
}

std::string instance_of(const Settings& settings) {
  return settings.single_instance ? settings.targets.front().values.front() : std::string();
}

// SSM's old way to name one: its document and its only node.
Result<std::optional<Association>> find_single(store::Sql& sql, const std::string& document,
                                               const std::string& instance_id) {
  associations::Filter filter;
  filter.documents = {document};
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto listed, associations::list(sql, filter, page));
    for (const auto& item : listed.items) {
      BELAY_TRY_ASSIGN(const auto settings, settings_of(item.content));
      if (instance_of(settings) == instance_id) return std::optional(item);
    }
    page.after = listed.next;
  } while (!page.after.empty());
  return std::optional<Association>();
}

Result<json::Object> description(const Association& row, const Settings& settings) {
  json::Object out = settings_reply(settings);
  out["AssociationId"] = row.association_id;
  out["AssociationVersion"] = std::to_string(row.version);
  out["Date"] = epoch(row.created_at);
  out["LastUpdateAssociationDate"] = epoch(row.updated_at);
  put(out, "LastExecutionDate", epoch(row.last_run_at));
  put(out, "LastSuccessfulExecutionDate", epoch(row.last_success_at));
  json::Object overview{{"Status", row.status}, {"AssociationStatusAggregatedCount", counts_reply(row.counts)}};
  overview["DetailedStatus"] = row.held.empty() ? row.status : "held: " + row.held;
  out["Overview"] = std::move(overview);
  return out;
}
Result<json::Object> described(const Association& row) {
  BELAY_TRY_ASSIGN(const auto settings, settings_of(row.content));
  BELAY_TRY_ASSIGN(auto reply, description(row, settings));
  return json::Object{{"AssociationDescription", std::move(reply)}};
}

Result<Association> make(const Call& call, const json::Value& request) {
  BELAY_TRY_ASSIGN(const auto settings, settings_in(request));
  BELAY_TRY_ASSIGN(const auto tags, tags_of(request));
  BELAY_TRY(rehearse_association(call.services.store, call.services.windows, settings, call.now));
  return call.write([&](store::Sql& sql) -> Result<Association> {
    if (settings.single_instance) {
      BELAY_TRY_ASSIGN(const auto there, find_single(sql, settings.document, instance_of(settings)));
      if (there)
        return failure("AssociationAlreadyExists",
                       settings.document + " is associated with " + instance_of(settings) + " already");
    }
    BELAY_TRY_ASSIGN(auto made, create_association(sql, settings, call.principal, call.now));
    if (!tags.empty()) BELAY_TRY(store::tags::set(sql, "Association", made.association_id, tags));
    return made;
  });
}

// As SSM: what is not given is empty from now on. A document and targets there must be, so those stay; SyncCompliance
// too, which Terraform's provider sends only where it changes.
void keep_what_must_be(Settings& settings, const Settings& before) {
  if (settings.document.empty()) settings.document = before.document;
  if (settings.targets.empty()) {
    settings.targets = before.targets;
    settings.single_instance = before.single_instance;
  }
  if (!settings.sync_compliance) settings.sync_compliance = before.sync_compliance;
  settings.window_id = before.window_id;
  settings.cutoff_hours = before.cutoff_hours;
}

Result<json::Object> change(const Call& call, const Association& row, const Settings& settings) {
  BELAY_TRY(rehearse_association(call.services.store, call.services.windows, settings, call.now));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto now_there, associations::get(sql, row.association_id));
    if (now_there.version != row.version)
      return failure("TooManyUpdates", "association " + row.association_id + " was changed meanwhile: try again");
    BELAY_TRY_ASSIGN(const auto changed,
                     update_association(sql, row.association_id, settings, call.principal, call.now));
    return described(changed);
  });
}

}  // namespace

json::Object settings_reply(const Settings& settings) {
  json::Object out{{"Name", settings.document},
                   {"DocumentVersion", settings.document_version.empty() ? "$DEFAULT" : settings.document_version},
                   {"ApplyOnlyAtCronInterval", settings.only_at_schedule},
                   {"Targets", targets_reply(targets_of(settings))}};
  // What nobody said is not answered: a client that compares (Terraform) would see a change.
  put(out, "ComplianceSeverity", json::encode(settings.severity));
  put(out, "SyncCompliance", json::encode(settings.sync_compliance));
  put(out, "AssociationName", json::Value(settings.name));
  put(out, "InstanceId", json::Value(instance_of(settings)));
  if (!settings.parameters.empty()) out["Parameters"] = json::encode(settings.parameters);
  put(out, "ScheduleExpression", json::Value(settings.schedule));
  put(out, "MaxConcurrency", json::Value(settings.max_concurrency));
  put(out, "MaxErrors", json::Value(settings.max_errors));
  put(out, "CalendarNames", json::Value(texts_reply(settings.calendars)));
  if (settings.offset_days) out["ScheduleOffset"] = *settings.offset_days;
  if (settings.duration_hours) out["Duration"] = *settings.duration_hours;
  return out;
}

json::Object counts_reply(const associations::Counts& counts) {
  json::Object out;
  for (const auto& [status, count] : counts) out[status] = count;
  return out;
}

std::string counts_text(const associations::Counts& counts) {
  std::string out;
  for (const auto& [status, count] : counts) out += (out.empty() ? "" : ", ") + status + "=" + std::to_string(count);
  return "{" + out + "}";
}

Result<Association> association_of(store::Sql& sql, const Call& call) {
  const std::string id = call.text("AssociationId"), name = call.text("Name"), instance = call.text("InstanceId");
  if (id.empty() && (name.empty() || instance.empty()))
    return failure("ValidationException", "give AssociationId, or Name and InstanceId");
  if (!id.empty()) {
    auto found = associations::get(sql, id);
    if (found.ok() || found.error().code() != Code::not_found) return found;
    return failure("AssociationDoesNotExist", "there is no association " + id);
  }
  BELAY_TRY_ASSIGN(const auto found, find_single(sql, name, instance));
  if (found) return *found;
  return failure("AssociationDoesNotExist", name + " is not associated with " + instance);
}

Result<json::Object> create_association(const Call& call) {
  BELAY_TRY(require_sending(call));
  BELAY_TRY_ASSIGN(const auto made, make(call, call.request));
  return described(made);
}

Result<json::Object> create_association_batch(const Call& call) {
  BELAY_TRY(require_sending(call));
  BELAY_TRY(refuse_what_is_not_there(call.request));
  json::Array successful, failed;
  for (const auto& entry : call.request.at("Entries").as_array()) {
    const auto made = make(call, entry);
    if (made.ok()) {
      BELAY_TRY_ASSIGN(auto reply, described(*made));
      successful.push_back(std::move(reply["AssociationDescription"]));
      continue;
    }
    const auto error = wire_error(made.error(), "");
    if (error.http_status >= 500) return made.error();
    failed.push_back(
        json::Object{{"Entry", entry}, {"Message", error.type + ": " + error.message}, {"Fault", "Client"}});
  }
  return json::Object{{"Successful", std::move(successful)}, {"Failed", std::move(failed)}};
}

Result<json::Object> describe_association(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(auto row, association_of(sql, call));
    const std::string wanted = call.text("AssociationVersion");
    if (!wanted.empty() && wanted != "$LATEST" && wanted != std::to_string(row.version)) {
      const auto version =
          associations::get_version(sql, row.association_id, std::strtoll(wanted.c_str(), nullptr, 10));
      if (!version.ok() && version.error().code() == Code::not_found)
        return failure("InvalidAssociationVersion", "association " + row.association_id + " has no version " + wanted);
      if (!version.ok()) return version.error();
      row.version = version->version;
      row.content = version->content;
      row.updated_at = version->created_at;
    }
    return described(row);
  });
}

Result<json::Object> update_association(const Call& call) {
  BELAY_TRY(require_sending(call));
  BELAY_TRY_ASSIGN(auto settings, settings_in(call.request));
  BELAY_TRY_ASSIGN(const auto row, call.read([&](store::Sql& sql) -> Result<Association> {
    auto found = associations::get(sql, call.text("AssociationId"));
    if (found.ok() || found.error().code() != Code::not_found) return found;
    return failure("AssociationDoesNotExist", "there is no association " + call.text("AssociationId"));
  }));
  const std::string wanted = call.text("AssociationVersion");
  if (!wanted.empty() && wanted != "$LATEST" && wanted != std::to_string(row.version))
    return failure("InvalidAssociationVersion", "AssociationVersion must be the newest, " +
                                                    std::to_string(row.version) + ", or $LATEST, or left out");
  BELAY_TRY_ASSIGN(const auto before, settings_of(row.content));
  keep_what_must_be(settings, before);
  return change(call, row, settings);
}

// Ours: the window it runs in, and its cut-off; what is not given is taken away.
Result<json::Object> set_association_window(const Call& call) {
  BELAY_TRY(require_sending(call));
  BELAY_TRY_ASSIGN(const auto request, call.as<WindowRequest>());
  BELAY_TRY_ASSIGN(const auto row, call.read([&](store::Sql& sql) { return association_of(sql, call); }));
  BELAY_TRY_ASSIGN(auto settings, settings_of(row.content));
  settings.window_id = request.WindowId;
  settings.cutoff_hours = request.CutoffHours;
  return change(call, row, settings);
}

Result<json::Object> get_association_plan(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto row, association_of(sql, call));
    BELAY_TRY_ASSIGN(const auto settings, settings_of(row.content));
    json::Object out{{"AssociationId", row.association_id}};
    put(out, "WindowId", json::Value(settings.window_id));
    if (settings.cutoff_hours) out["CutoffHours"] = *settings.cutoff_hours;
    put(out, "NextRunTime", epoch(row.next_at));
    put(out, "Held", json::Value(row.held));
    put(out, "Notes", json::Value(texts_reply(association::notes(settings))));
    BELAY_TRY_ASSIGN(auto refusal, offline_refusal(sql, row, settings, call.now));
    out["RunsOffline"] = refusal.empty();
    put(out, "OfflineReason", json::Value(std::move(refusal)));
    return out;
  });
}

Result<json::Object> update_association_status(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<StatusRequest>());
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto row, association_of(sql, call));
    BELAY_TRY_ASSIGN(const auto before, associations::find_node(sql, row.association_id, request.InstanceId));
    if (before && before->status == request.AssociationStatus.Name &&
        before->summary == request.AssociationStatus.Message)
      return failure("StatusUnchanged", "the status is " + before->status + " with this message already");
    associations::Node node;
    if (before) node = *before;
    node.association_id = row.association_id;
    node.node_id = request.InstanceId;
    node.version = row.version;
    node.status = node.details = request.AssociationStatus.Name;
    node.summary = sanitize(request.AssociationStatus.Message, 500);
    BELAY_TRY(associations::put_nodes(sql, std::span(&node, 1)));
    BELAY_TRY(store::executions::wake(sql, kAssociationKind, row.association_id, call.now));
    BELAY_TRY(audit_change(sql, call, row.association_id,
                           {{"InstanceId", request.InstanceId}, {"Status", request.AssociationStatus.Name}}));
    return described(row);
  });
}

Result<json::Object> delete_association(const Call& call) {
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto row, association_of(sql, call));
    BELAY_TRY(store::tags::remove_all(sql, "Association", row.association_id));
    BELAY_TRY(remove_association(sql, row.association_id, call.principal, call.now));
    return json::Object();
  });
}

Result<json::Object> start_associations_once(const Call& call) {
  BELAY_TRY(require_sending(call));
  BELAY_TRY_ASSIGN(const auto request, call.as<OnceRequest>());
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    for (const auto& id : request.AssociationIds) BELAY_TRY(run_association(sql, id, call.principal, call.now));
    return json::Object();
  });
}

}  // namespace belay::server
