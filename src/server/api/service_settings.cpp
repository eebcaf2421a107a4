// SSM's service settings, for those that mean something here. What a setting decides is read by whom it concerns, under
// the same key of the store (judge.hpp, compliance_view.hpp).
#include <algorithm>

#include "base/text.hpp"
#include "server/api/handlers.hpp"
#include "server/engine/rejudge.hpp"
#include "store/settings.hpp"

namespace belay::server {
namespace {

struct SettingRow {
  std::string_view id;
  std::string_view key;  // in the store
  std::string_view fallback;
  std::string_view allowed;  // "standard,advanced"; "" for a duration
  std::string_view meaning;
};
constexpr SettingRow kSettings[] = {
    {"/ssm/managed-instance/activation-tier", "service.activation-tier", "advanced", "standard,advanced",
     "kept and shown: there are no tiers here, every node has everything"},
    {"/belay/judge/stale-after", "judge.stale-after", "7d", "", "how old a node's newest scan may be"},
    {"/belay/judge/dark-after", "judge.dark-after", "24h", "", "how long an agent may be silent"},
    {"/belay/compliance/stale-after", "compliance.stale-after", "30d", "",
     "how old a report of custom compliance may be"},
    {"/belay/rollout/approvals-least", "rollout.approvals-least", "1", "0,1,2,3,4,5,6,7,8,9,10",
     "how many people besides its author must at least have approved a rollout's change set"},
};
constexpr Duration kShortest{60'000}, kLongest{366LL * 24 * 3600 * 1000};

struct Changed {
  Instant at{};
  std::string by;
};
BOOST_DESCRIBE_STRUCT(Changed, (), (at, by))

std::string changed_key(const SettingRow& row) { return "service-setting." + std::string(row.key); }

// Also by its ARN: "arn:…:servicesetting/ssm/managed-instance/activation-tier".
Result<const SettingRow*> find_setting(const Call& call) {
  std::string id = call.text("SettingId");
  if (const auto at = id.find("servicesetting/"); id.starts_with("arn:") && at != std::string::npos)
    id = id.substr(at + std::string_view("servicesetting").size());
  const auto* row = std::ranges::find(kSettings, std::string_view(id), &SettingRow::id);
  if (row != std::end(kSettings)) return row;
  std::string known;
  for (const auto& setting : kSettings) known += (known.empty() ? "" : ", ") + std::string(setting.id);
  return failure("ServiceSettingNotFound",
                 "there is no service setting '" + sanitize(id, 200) + "' here; there are " + known);
}

Status check_value(const SettingRow& row, const std::string& value) {
  if (!row.allowed.empty()) {
    const auto words = split(row.allowed, ',');
    if (std::ranges::find(words, std::string_view(value)) != words.end()) return {};
    return failure("ValidationException", std::string(row.id) + " is one of " + std::string(row.allowed));
  }
  const auto duration = parse_duration(value);
  if (duration.ok() && *duration >= kShortest && *duration <= kLongest) return {};
  return failure("ValidationException", std::string(row.id) + " (" + std::string(row.meaning) +
                                            ") is a duration from 1m to 366d, such as 12h or 7d");
}

Result<json::Object> setting_reply(store::Sql& sql, const SettingRow& row) {
  BELAY_TRY_ASSIGN(const auto value, store::settings::get(sql, row.key));
  BELAY_TRY_ASSIGN(const auto changed, store::settings::get(sql, changed_key(row)));
  json::Object setting{{"SettingId", row.id},
                       {"SettingValue", value.value_or(std::string(row.fallback))},
                       {"ARN", "arn:belay:ssm:::servicesetting" + std::string(row.id)},
                       {"Status", value ? "Customized" : "Default"}};
  if (changed) {
    BELAY_TRY_ASSIGN(const auto told, json::decode_text<Changed>(*changed));
    setting["LastModifiedDate"] = epoch(told.at);
    setting["LastModifiedUser"] = told.by;
  }
  return json::Object{{"ServiceSetting", std::move(setting)}};
}

Status note_change(store::Sql& sql, const Call& call, const SettingRow& row, const std::string& value) {
  BELAY_TRY(
      store::settings::set(sql, changed_key(row), json::encode_text(Changed{call.now, call.principal}), call.now));
  BELAY_TRY(tell_rejudge(sql, call.now));
  return audit_change(sql, call, row.id, {{"Value", value}});
}

}  // namespace

Result<json::Object> get_service_setting(const Call& call) {
  BELAY_TRY_ASSIGN(const auto* row, find_setting(call));
  return call.read([&](store::Sql& sql) { return setting_reply(sql, *row); });
}

Result<json::Object> update_service_setting(const Call& call) {
  BELAY_TRY_ASSIGN(const auto* row, find_setting(call));
  const std::string value = call.text("SettingValue");
  BELAY_TRY(check_value(*row, value));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY(store::settings::set(sql, row->key, value, call.now));
    BELAY_TRY(note_change(sql, call, *row, value));
    return json::Object();
  });
}

Result<json::Object> reset_service_setting(const Call& call) {
  BELAY_TRY_ASSIGN(const auto* row, find_setting(call));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY(store::settings::remove(sql, row->key));
    BELAY_TRY(note_change(sql, call, *row, std::string(row->fallback)));
    return setting_reply(sql, *row);
  });
}

}  // namespace belay::server
