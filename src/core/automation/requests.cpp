#include "core/automation/requests.hpp"

#include <charconv>

#include "base/text.hpp"
#include "core/document/place.hpp"
#include "core/document/references.hpp"

namespace belay::automation {
namespace {

using document::text_of;
constexpr std::int64_t kSleepMax = 7LL * 86'400'000;  // a week

Error refused(std::string what) { return Error(Code::invalid_argument, std::move(what)); }

const json::Value* at(const json::Object& inputs, std::string_view name) {
  const auto* value = inputs.if_contains(name);
  return value && !value->is_null() ? value : nullptr;
}
std::string text_at(const json::Object& inputs, std::string_view name) {
  const auto* value = at(inputs, name);
  return value ? text_of(*value) : std::string();
}

// One value stands for a list of one; a text that is a JSON list for the list.
Texts texts_of(const json::Value& value) {
  Texts texts;
  if (const auto* array = value.if_array())
    for (const auto& item : *array) texts.push_back(text_of(item));
  else texts.push_back(text_of(value));
  return texts;
}
Texts texts_at(const json::Object& inputs, std::string_view name) {
  const auto* value = at(inputs, name);
  return value ? texts_of(*value) : Texts();
}

Result<std::map<std::string, Texts>> parameters_at(const json::Object& inputs, std::string_view name) {
  std::map<std::string, Texts> parameters;
  const auto* value = at(inputs, name);
  if (!value) return parameters;
  if (!value->is_object()) return refused(std::string(name) + " is no mapping");
  for (const auto& member : value->get_object()) parameters.emplace(member.key(), texts_of(member.value()));
  return parameters;
}

Result<std::vector<Target>> targets_at(const json::Object& inputs) {
  std::vector<Target> targets;
  const auto* value = at(inputs, "Targets");
  if (!value) return targets;
  if (!value->is_array() || value->get_array().size() > 5) return refused("Targets is no list of at most 5");
  for (const auto& item : value->get_array()) {
    Target target{json::text_or_empty(item, "Key"), {}};
    if (const auto* values = json::find(item, "Values")) target.values = texts_of(*values);
    if (target.key.empty() || target.values.empty()) return refused("Targets: each has a Key and Values");
    targets.push_back(std::move(target));
  }
  return targets;
}

Result<Request> build_run_command(const json::Object& inputs) {
  RunCommand request;
  request.document = text_at(inputs, "DocumentName");
  request.document_version = text_at(inputs, "DocumentVersion");
  request.comment = text_at(inputs, "Comment");
  BELAY_TRY_ASSIGN(request.parameters, parameters_at(inputs, "Parameters"));
  request.instance_ids = texts_at(inputs, "InstanceIds");
  BELAY_TRY_ASSIGN(request.targets, targets_at(inputs));
  if (const auto seconds = text_at(inputs, "TimeoutSeconds"); !seconds.empty()) {
    const auto number = json::decode_text<std::int64_t>(seconds);
    if (!number.ok() || *number < 30 || *number > 2'592'000) return refused("TimeoutSeconds is not 30 to 2592000");
    request.timeout_s = *number;
  }
  request.max_concurrency = text_at(inputs, "MaxConcurrency");
  request.max_errors = text_at(inputs, "MaxErrors");
  if (request.document.empty()) return refused("DocumentName is empty");
  if (request.instance_ids.empty() == request.targets.empty())
    return refused("InstanceIds or Targets is needed, one of the two");
  return Request(request);
}

Result<Request> build_execute_automation(const json::Object& inputs) {
  ExecuteAutomation request;
  request.document = text_at(inputs, "DocumentName");
  request.document_version = text_at(inputs, "DocumentVersion");
  BELAY_TRY_ASSIGN(request.parameters, parameters_at(inputs, "RuntimeParameters"));
  request.target_parameter = text_at(inputs, "TargetParameterName");
  BELAY_TRY_ASSIGN(request.targets, targets_at(inputs));
  request.max_concurrency = text_at(inputs, "MaxConcurrency");
  request.max_errors = text_at(inputs, "MaxErrors");
  if (request.document.empty()) return refused("DocumentName is empty");
  if (request.targets.empty() != request.target_parameter.empty())
    return refused("Targets and TargetParameterName go together");
  return Request(request);
}

Result<Request> build_webhook(const json::Object& inputs) {
  InvokeWebhook request{text_at(inputs, "Url"), text_at(inputs, "Body")};
  if (!request.url.starts_with("https://"))
    return refused("Url is '" + sanitize(request.url, 100) + "': expected an https:// address");
  if (request.body.size() > (256u << 10)) return refused("Body is over 256 KiB");
  return Request(request);
}

Result<Request> build_create_tags(const json::Object& inputs) {
  CreateTags request;
  request.resource_type = text_at(inputs, "ResourceType");
  if (request.resource_type.empty()) request.resource_type = "ManagedInstance";
  if (request.resource_type != "ManagedInstance" && request.resource_type != "EC2")
    return refused("ResourceType is '" + sanitize(request.resource_type, 60) +
                   "': only nodes (ManagedInstance, EC2) are tagged");
  request.resource_ids = texts_at(inputs, "ResourceIds");
  const auto* tags = at(inputs, "Tags");
  if (request.resource_ids.empty() || !tags || !tags->is_array() || tags->get_array().empty())
    return refused("ResourceIds and Tags are needed");
  for (const auto& tag : tags->get_array()) {
    const auto key = json::text_or_empty(tag, "Key");
    if (key.empty() || key.size() > 128) return refused("Tags: each has a Key of 1 to 128 bytes");
    if (key.starts_with("aws:")) return refused("Tags: a Key that begins with aws: is reserved");
    const auto* value = json::find(tag, "Value");
    request.tags[key] = value ? text_of(*value) : "";
  }
  return Request(request);
}

Result<Request> build_approve(const json::Object& inputs) {
  Approve request;
  request.message = text_at(inputs, "Message");
  request.notify = text_at(inputs, "NotificationArn");
  if (!request.notify.empty() && !request.notify.starts_with("https://") && !document::is_mail_address(request.notify))
    return refused("NotificationArn is '" + sanitize(request.notify, 100) +
                   "': there are no SNS topics here; name an https:// address or a mail address (name@host)");
  request.approvers = texts_at(inputs, "Approvers");
  if (request.approvers.empty() || request.approvers.size() > 10) return refused("Approvers names 1 to 10");
  if (const auto needed = text_at(inputs, "MinRequiredApprovals"); !needed.empty()) {
    const auto number = json::decode_text<std::uint32_t>(needed);
    if (!number.ok() || *number < 1 || *number > request.approvers.size())
      return refused("MinRequiredApprovals is '" + sanitize(needed, 20) + "', expected 1 to the number of approvers");
    request.approvals_needed = *number;
  }
  return Request(request);
}

Result<Request> build_sleep(const json::Object& inputs) {
  Sleep request;
  const auto duration = text_at(inputs, "Duration"), until = text_at(inputs, "Timestamp");
  if (duration.empty() == until.empty()) return refused("Duration or Timestamp is needed, one of the two");
  if (!duration.empty()) {
    BELAY_TRY_ASSIGN(request.duration, parse_iso_duration(duration));
    if (request.duration->count() > kSleepMax) return refused("Duration is over 7 days");
  } else {
    BELAY_TRY_ASSIGN(request.until, parse_iso8601(until));
  }
  return Request(request);
}

struct Builder {
  std::string_view action;
  Result<Request> (*build)(const json::Object& inputs);
};
constexpr Builder kBuilders[] = {
    {RunCommand::kKind, build_run_command},
    {ExecuteAutomation::kKind, build_execute_automation},
    {InvokeWebhook::kKind, build_webhook},
    {"belay:invokeWebhook", build_webhook},
    {CreateTags::kKind, build_create_tags},
    {Approve::kKind, build_approve},
    {Sleep::kKind, build_sleep},
    {Pause::kKind, [](const json::Object&) { return Result<Request>(Pause{}); }},
    {Branch::kKind, [](const json::Object&) { return Result<Request>(Branch{}); }},
};

}  // namespace

Result<Request> build_request(std::string_view action, const json::Object& inputs) {
  for (const auto& builder : kBuilders)
    if (builder.action == action) return builder.build(inputs);
  return Error(Code::unsupported, std::string(action) + " is not there yet");
}

Result<Duration> parse_iso_duration(std::string_view text) {
  const auto refuse = [&] {
    return refused("'" + sanitize(text, 40) + "' is no ISO 8601 duration; write PT10M, PT1H30M or P1D");
  };
  if (text.size() < 2 || text[0] != 'P' || text.size() > 40) return refuse();
  static constexpr std::string_view kUnits = "WDHMS";
  static constexpr double kMilliseconds[] = {604'800'000, 86'400'000, 3'600'000, 60'000, 1'000};
  double total = 0;
  bool in_time = false;
  std::size_t last = 0;
  for (std::size_t i = 1; i < text.size();) {
    if (text[i] == 'T' && !in_time) {
      in_time = true;
      if (++i == text.size()) return refuse();
      continue;
    }
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data() + i, text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || end == text.data() + text.size() || text[i] == '-') return refuse();
    const auto unit = kUnits.find(*end);
    if (unit == std::string_view::npos || unit + 1 <= last || (unit >= 2) != in_time) return refuse();
    last = unit + 1;
    total += number * kMilliseconds[unit];
    i = static_cast<std::size_t>(end - text.data()) + 1;
  }
  if (last == 0 || total > 4e12) return refuse();
  return Duration(static_cast<std::int64_t>(total));
}

}  // namespace belay::automation
