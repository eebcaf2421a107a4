#include "server/api/aws_members.hpp"

#include "server/api/errors.hpp"
#include "server/api/handlers.hpp"

namespace belay::server {
namespace {

constexpr const char* kNoTopics =
    "there are no SNS topics here; rollouts, backup plans, remedy policies and aws:approve tell people by webhook and "
    "mail";

struct Row {
  const char *member, *why;
};
constexpr Row kRows[] = {
    {"OutputS3BucketName", kOutputIsKept},
    {"OutputS3KeyPrefix", kOutputIsKept},
    {"OutputS3Region", kOutputIsKept},
    {"CloudWatchOutputConfig", kOutputIsKept},
    {"NotificationConfig", kNoTopics},
    {"ServiceRoleArn", "Belay has no roles of AWS; this one is for SNS topics, and there are none here"},
    {"AlarmConfiguration", "Belay reads no CloudWatch alarms"},
};

bool says_off(const json::Value& config) {
  const auto* enabled = json::find(config, "CloudWatchOutputEnabled");
  return config.is_object() && (enabled ? *enabled == json::Value(false) : config.get_object().empty());
}

}  // namespace

Status refuse_aws_members(const json::Value& holder, const std::string& path) {
  for (const auto& row : kRows) {
    const auto* given = json::find(holder, row.member);
    if (!given || (std::string_view(row.member) == "CloudWatchOutputConfig" && says_off(*given))) continue;
    return failure("ValidationException", path + row.member + " is not supported: leave it out; " + row.why);
  }
  return {};
}

}  // namespace belay::server
