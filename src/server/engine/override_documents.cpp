#include "server/engine/override_documents.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/marked_json.hpp"
#include "base/text.hpp"
#include "base/yaml.hpp"
#include "core/baseline/validate.hpp"
#include "io/http.hpp"

namespace belay::server {
namespace {

Error refuse(std::string what) { return Error(Code::invalid_argument, std::move(what), "InvalidParameters"); }

// A misspelt member would be passed over, and other patches installed than were meant.
Status only(const json::Value& value, const std::string& path, const std::vector<std::string_view>& known) {
  const auto* object = value.if_object();
  if (!object) return refuse(path + ": expected an object");
  for (const auto& member : *object) {
    if (std::ranges::find(known, std::string_view(member.key())) != known.end()) continue;
    const auto near = nearest(member.key(), known);
    return refuse(path + " has no member '" + sanitize(member.key(), 100) + "'" +
                  (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
  }
  return {};
}

// ---- BaselineOverride: the API's names
Result<std::vector<std::string>> texts(const json::Value& object, std::string_view member) {
  const auto* value = json::find(object, member);
  if (!value) return std::vector<std::string>();
  return json::decode<std::vector<std::string>>(*value, std::string(member));
}

template <typename E>
Status read_enum(const json::Value& object, std::string_view member, E& target) {
  const auto* value = json::find(object, member);
  if (!value) return {};
  BELAY_TRY_ASSIGN(target, json::decode<E>(*value, std::string(member)));
  return {};
}

Status read_flag(const json::Value& object, std::string_view member, bool& target) {
  const auto* value = json::find(object, member);
  if (!value) return {};
  BELAY_TRY_ASSIGN(target, json::decode<bool>(*value, std::string(member)));
  return {};
}

Result<std::vector<baseline::PatchFilter>> filters(const json::Value* group) {
  std::vector<baseline::PatchFilter> found;
  if (group) BELAY_TRY(only(*group, "the filter group", {"PatchFilters"}));
  const auto* list = group ? json::find(*group, "PatchFilters") : nullptr;
  if (!list) return found;
  if (!list->is_array()) return refuse("PatchFilters: expected a list");
  for (const auto& item : list->get_array()) {
    baseline::PatchFilter filter;
    BELAY_TRY(only(item, "PatchFilters", {"Key", "Values"}));
    BELAY_TRY(read_enum(item, "Key", filter.key));
    BELAY_TRY_ASSIGN(filter.values, texts(item, "Values"));
    found.push_back(std::move(filter));
  }
  return found;
}

Result<baseline::PatchRule> rule(const json::Value& item) {
  baseline::PatchRule rule;
  BELAY_TRY(only(item, "PatchRules",
                 {"PatchFilterGroup", "ComplianceLevel", "EnableNonSecurity", "ApproveAfterDays", "ApproveUntilDate"}));
  BELAY_TRY_ASSIGN(rule.filters, filters(json::find(item, "PatchFilterGroup")));
  BELAY_TRY(read_enum(item, "ComplianceLevel", rule.compliance_level));
  BELAY_TRY(read_flag(item, "EnableNonSecurity", rule.enable_non_security));
  if (const auto* days = json::find(item, "ApproveAfterDays")) {
    BELAY_TRY_ASSIGN(rule.approve_after_days, json::decode<std::int32_t>(*days, "ApproveAfterDays"));
  }
  if (const auto* date = json::find(item, "ApproveUntilDate")) {
    BELAY_TRY_ASSIGN(rule.approve_until_date, json::decode<std::string>(*date, "ApproveUntilDate"));
  }
  return rule;
}

Result<baseline::PatchBaseline> one_baseline(const json::Value& item) {
  // Those of SSM's BaselineOverride, and what GetPatchBaseline answers besides: its answer may be given as it is.
  BELAY_TRY(only(item, "a baseline",
                 {"OperatingSystem", "GlobalFilters", "ApprovalRules", "ApprovedPatches",
                  "ApprovedPatchesComplianceLevel", "ApprovedPatchesEnableNonSecurity", "RejectedPatches",
                  "RejectedPatchesAction", "Sources", "AvailableSecurityUpdatesComplianceStatus", "Name", "Description",
                  "BaselineId", "PatchGroups", "CreatedDate", "ModifiedDate"}));
  if (const auto* sources = json::find(item, "Sources"); sources && *sources != json::Value(json::Array()))
    return refuse("Sources: repositories are not carried to nodes; configure them on the hosts, and leave Sources out");
  baseline::PatchBaseline parsed;
  parsed.name = json::text_or_empty(item, "Name");
  if (parsed.name.empty()) parsed.name = "BaselineOverride";
  parsed.description = json::text_or_empty(item, "Description");
  BELAY_TRY(read_enum(item, "OperatingSystem", parsed.operating_system));
  BELAY_TRY_ASSIGN(parsed.global_filters, filters(json::find(item, "GlobalFilters")));
  const auto* rules = json::find(item, "ApprovalRules");
  if (rules) BELAY_TRY(only(*rules, "ApprovalRules", {"PatchRules"}));
  if (const auto* list = rules ? json::find(*rules, "PatchRules") : nullptr) {
    if (!list->is_array()) return refuse("ApprovalRules.PatchRules: expected a list");
    for (const auto& each : list->get_array()) {
      BELAY_TRY_ASSIGN(auto decoded, rule(each));
      parsed.approval_rules.push_back(std::move(decoded));
    }
  }
  BELAY_TRY_ASSIGN(parsed.approved_patches, texts(item, "ApprovedPatches"));
  BELAY_TRY_ASSIGN(parsed.rejected_patches, texts(item, "RejectedPatches"));
  BELAY_TRY(read_enum(item, "ApprovedPatchesComplianceLevel", parsed.approved_patches_compliance_level));
  BELAY_TRY(read_enum(item, "RejectedPatchesAction", parsed.rejected_patches_action));
  BELAY_TRY(read_flag(item, "ApprovedPatchesEnableNonSecurity", parsed.approved_patches_enable_non_security));
  if (const auto* status = json::find(item, "AvailableSecurityUpdatesComplianceStatus")) {
    BELAY_TRY_ASSIGN(parsed.available_security_updates_compliance_status,
                     json::decode<baseline::AvailableSecurityUpdatesComplianceStatus>(
                         *status, "AvailableSecurityUpdatesComplianceStatus"));
  }
  BELAY_TRY(baseline::check(parsed));
  return parsed;
}

}  // namespace

Result<std::string> fetch_override(std::string_view text_or_address, const Fetching& fetching) {
  const auto scheme = text_or_address.find("://");
  if (scheme == std::string_view::npos || scheme > 10 || text_or_address.find('\n') != std::string_view::npos)
    return std::string(text_or_address);
  if (!text_or_address.starts_with("https://"))
    return Error(
        Code::unsupported,
        "'" + sanitize(text_or_address, 200) + "' cannot be fetched: give an https address, or the text itself",
        "InvalidParameters");
  const auto body = io::fetch(std::string(text_or_address), {.timeout = Duration(20'000),
                                                             .bytes_max = kOverrideBytesMax,
                                                             .public_only = true,
                                                             .private_hosts = fetching.private_hosts});
  if (body.ok()) return *body;
  const bool is_private = body.error().reason() == "address-private";
  return refuse(
      body.error().chain() +
      (is_private ? "; give the text itself, or have the operator allow this host (belayd --fetch-from)" : ""));
}

Result<std::vector<baseline::OverridePatch>> parse_override_list(std::string_view text) {
  if (text.size() > kOverrideBytesMax) return refuse("InstallOverrideList is over a megabyte");
  const auto read = yaml::parse(text);  // JSON is YAML
  if (!read.ok()) return refuse("InstallOverrideList: " + read.error().chain());
  const auto* list = read->value.is_object() ? json::find(read->value, "patches") : nullptr;
  if (!list) return refuse("InstallOverrideList has no member 'patches'");
  BELAY_TRY(only(read->value, "InstallOverrideList", {"patches"}));
  if (list->is_array())
    for (const auto& patch : list->get_array()) BELAY_TRY(only(patch, "InstallOverrideList: a patch", {"id", "title"}));
  const auto patches = json::decode<std::vector<baseline::OverridePatch>>(*list, "patches");
  if (!patches.ok()) return refuse("InstallOverrideList: " + patches.error().chain());
  BELAY_TRY(baseline::check(*patches));
  return patches;
}

Result<std::vector<baseline::PatchBaseline>> parse_baseline_override(std::string_view text) {
  const auto value = parse_strict_json(text, {.bytes_max = kOverrideBytesMax});
  if (!value.ok()) return refuse("BaselineOverride: " + value.error().chain());
  const json::Array single{*value};
  const json::Array& list = value->is_array() ? value->get_array() : single;
  std::vector<baseline::PatchBaseline> baselines;
  for (const auto& item : list) {
    auto parsed = one_baseline(item).within("BaselineOverride[" + std::to_string(baselines.size()) + "]");
    if (!parsed.ok()) return refuse(parsed.error().chain());
    baselines.push_back(std::move(*parsed));
  }
  if (baselines.empty() || baselines.size() > 20) return refuse("BaselineOverride must hold 1 to 20 baselines");
  return baselines;
}

}  // namespace belay::server
