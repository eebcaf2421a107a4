// The targets of maintenance windows.
#include <set>

#include "base/ids.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/api/filters.hpp"
#include "server/api/window_wire.hpp"

namespace belay::server {
namespace {

namespace windows = store::windows;

struct TargetRequest {
  std::optional<std::string> Name, Description, OwnerInformation;
};
BOOST_DESCRIBE_STRUCT(TargetRequest, (), (Name, Description, OwnerInformation))

// The keys are known, and nodes that are named by id or name are there. Tags may match nobody yet.
Status check_targets(store::Sql& sql, const std::vector<Target>& targets) {
  if (targets.empty()) return failure("ValidationException", "Targets: name at least one");
  std::set<std::string> keys;
  for (const auto& target : targets) {
    if (target.key.starts_with("resource-groups:"))
      return failure("ValidationException", "Targets: " + sanitize(target.key, 60) +
                                                " is not supported; there are InstanceIds, Name, PatchGroup, "
                                                "tag:<key> and tag-key");
    if (!keys.insert(target.key).second)
      return failure("ValidationException", "Targets: the key " + sanitize(target.key, 60) + " is there twice");
    if (target.key != "InstanceIds" && target.key != "Name") continue;
    const bool everybody = target.values.size() == 1 && target.values.front() == "*";
    if (everybody || target.values.empty()) continue;
    const auto found = resolve_targets(sql, target.values, {});
    if (!found.ok() && (found.error().code() == Code::not_found || found.error().code() == Code::invalid_argument))
      return failure("ValidationException", "Targets: " + target.key + ": " + found.error().message());
    if (!found.ok()) return found.error();
  }
  const auto resolved = resolve_targets(sql, {}, targets);
  if (!resolved.ok() && resolved.error().code() == Code::invalid_argument)
    return failure("ValidationException", "Targets: " + resolved.error().message());
  return resolved.ok() ? Status() : Status(resolved.error());
}

Result<json::Object> target_reply(const windows::Target& target) {
  BELAY_TRY_ASSIGN(const auto targets, targets_of_text(target.targets));
  json::Object out{{"WindowId", target.window_id},
                   {"WindowTargetId", target.window_target_id},
                   {"ResourceType", "INSTANCE"},
                   {"Targets", targets_reply(targets)}};
  put(out, "Name", json::Value(target.name));
  put(out, "Description", json::Value(target.description));
  put(out, "OwnerInformation", json::Value(target.owner_information));
  return out;
}

Result<windows::Target> target_of(store::Sql& sql, const Call& call) {
  const std::string id = call.text("WindowTargetId");
  auto target = windows::get_target(sql, call.text("WindowId"), id);
  if (!target.ok()) return missing_or(target.error(), "the window target", id);
  return target;
}

void lay_over(windows::Target& target, const TargetRequest& request, bool replaces) {
  const auto take = [&](std::string& member, const std::optional<std::string>& given) {
    if (given || replaces) member = given.value_or("");
  };
  take(target.name, request.Name);
  take(target.description, request.Description);
  take(target.owner_information, request.OwnerInformation);
}

}  // namespace

Result<json::Object> register_target_with_maintenance_window(const Call& call) {
  if (call.text("ResourceType") != "INSTANCE")
    return failure("ValidationException",
                   "ResourceType: Belay knows nodes by their tags, not AWS's resource groups; use INSTANCE");
  BELAY_TRY_ASSIGN(const auto request, call.as<TargetRequest>());
  BELAY_TRY_ASSIGN(const auto targets, wire_targets_of(call.request));
  windows::Target target;
  target.window_target_id = make_uuid(io::random_bytes(kIdRandomBytes));
  target.window_id = call.text("WindowId");
  lay_over(target, request, true);
  target.targets = json::encode_text(targets);
  target.created_at = call.now;
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    return once(call, sql, call.text("ClientToken"), [&]() -> Result<json::Object> {
      BELAY_TRY_ASSIGN(const auto window, window_of(sql, call));
      BELAY_TRY(check_targets(sql, targets));
      BELAY_TRY_ASSIGN(const auto there, windows::targets_of(sql, window.window_id));
      if (there.size() >= kTargetsMax)
        return failure("ResourceLimitExceededException",
                       "the window has " + std::to_string(there.size()) + " targets, the most there may be");
      BELAY_TRY(windows::add_target(sql, target));
      BELAY_TRY(audit_change(sql, call, window.window_id, window_audit(call)));
      return json::Object{{"WindowTargetId", target.window_target_id}};
    });
  });
}

Result<json::Object> update_maintenance_window_target(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<TargetRequest>());
  BELAY_TRY_ASSIGN(const auto targets, wire_targets_of(call.request));
  if (is_replacing(call) && targets.empty())
    return failure("ValidationException",
                   "with Replace every field that is left out is emptied, so Targets is required");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(auto target, target_of(sql, call));
    lay_over(target, request, is_replacing(call));
    if (!targets.empty()) {
      BELAY_TRY(check_targets(sql, targets));
      target.targets = json::encode_text(targets);
    }
    BELAY_TRY(windows::update_target(sql, target));
    BELAY_TRY(audit_change(sql, call, target.window_id, window_audit(call)));
    BELAY_TRY_ASSIGN(auto reply, target_reply(target));
    reply.erase("ResourceType");
    return reply;
  });
}

Result<json::Object> deregister_target_from_maintenance_window(const Call& call) {
  const auto* safe = json::find(call.request, "Safe");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto target, target_of(sql, call));
    if (safe && safe->is_bool() && safe->get_bool()) {
      BELAY_TRY_ASSIGN(const auto tasks, windows::tasks_of(sql, target.window_id));
      for (const auto& task : tasks) {
        BELAY_TRY_ASSIGN(const auto content, json::decode_text<WindowTask>(task.content));
        for (const auto& each : content.targets)
          if (std::ranges::find(each.values, target.window_target_id) != each.values.end())
            return failure("TargetInUseException", "the task " + task.window_task_id + " names this target");
      }
    }
    BELAY_TRY(windows::remove_target(sql, target.window_id, target.window_target_id));
    BELAY_TRY(audit_change(sql, call, target.window_id, window_audit(call)));
    return json::Object{{"WindowId", target.window_id}, {"WindowTargetId", target.window_target_id}};
  });
}

Result<json::Object> describe_maintenance_window_targets(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  BELAY_TRY_ASSIGN(const auto asked, filters_of(call.request, {"Type", "WindowTargetId", "OwnerInformation"}));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto window, window_of(sql, call));
    BELAY_TRY_ASSIGN(auto all, windows::targets_of(sql, window.window_id));
    for (const auto& filter : asked)
      std::erase_if(all, [&](const auto& target) {
        const std::string value = filter.key == "Type"             ? "INSTANCE"
                                  : filter.key == "WindowTargetId" ? target.window_target_id
                                                                   : target.owner_information;
        return std::ranges::find(filter.values, value) == filter.values.end();
      });
    const auto found = page_of_all(all, page);
    json::Array list;
    for (const auto& target : found.items) {
      BELAY_TRY_ASSIGN(auto reply, target_reply(target));
      list.push_back(std::move(reply));
    }
    json::Object reply{{"Targets", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

}  // namespace belay::server
