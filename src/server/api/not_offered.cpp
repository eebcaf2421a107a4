#include "server/api/not_offered.hpp"

#include <algorithm>

namespace belay::server {
namespace {

constexpr std::string_view kParameters =
    "there is no Parameter Store; keep values in your own store and secrets in a vault, and give a command what it "
    "needs "
    "as parameters";
constexpr std::string_view kOpsItems = "there is no OpsCenter; remedy policies and compliance say what needs work";
constexpr std::string_view kSessions = "there is no Session Manager; use ssh, or send a command";
constexpr std::string_view kSync =
    "there is no copy of the data in a bucket; read GetInventory and ListComplianceItems";
constexpr std::string_view kPolicies = "there are no other accounts; what a user may do is in its permissions";
constexpr std::string_view kAccess = "there is no just-in-time access; a token with an expiry gives access for a time";
constexpr std::string_view kChanges = "there are no change requests; document reviews and change calendars remain";
constexpr std::string_view kPreview = "there is no preview of a runbook; PreviewMaintenanceWindow shows a window's";

struct Row {
  std::string_view operation, instead;
};
constexpr Row kRows[] = {
    {"AssociateOpsItemRelatedItem", kOpsItems},
    {"CreateOpsItem", kOpsItems},
    {"CreateOpsMetadata", kOpsItems},
    {"CreateResourceDataSync", kSync},
    {"DeleteOpsItem", kOpsItems},
    {"DeleteOpsMetadata", kOpsItems},
    {"DeleteParameter", kParameters},
    {"DeleteParameters", kParameters},
    {"DeleteResourceDataSync", kSync},
    {"DeleteResourcePolicy", kPolicies},
    {"DescribeOpsItems", kOpsItems},
    {"DescribeParameters", kParameters},
    {"DescribeSessions", kSessions},
    {"DisassociateOpsItemRelatedItem", kOpsItems},
    {"GetAccessToken", kAccess},
    {"GetExecutionPreview", kPreview},
    {"GetOpsItem", kOpsItems},
    {"GetOpsMetadata", kOpsItems},
    {"GetOpsSummary", kOpsItems},
    {"GetParameter", kParameters},
    {"GetParameterHistory", kParameters},
    {"GetParameters", kParameters},
    {"GetParametersByPath", kParameters},
    {"GetResourcePolicies", kPolicies},
    {"LabelParameterVersion", kParameters},
    {"ListOpsItemEvents", kOpsItems},
    {"ListOpsItemRelatedItems", kOpsItems},
    {"ListOpsMetadata", kOpsItems},
    {"ListResourceDataSync", kSync},
    {"PutParameter", kParameters},
    {"PutResourcePolicy", kPolicies},
    {"ResumeSession", kSessions},
    {"StartAccessRequest", kAccess},
    {"StartChangeRequestExecution", kChanges},
    {"StartExecutionPreview", kPreview},
    {"StartSession", kSessions},
    {"TerminateSession", kSessions},
    {"UnlabelParameterVersion", kParameters},
    {"UpdateOpsItem", kOpsItems},
    {"UpdateOpsMetadata", kOpsItems},
    {"UpdateResourceDataSync", kSync},
};

}  // namespace

std::string_view instead_of(std::string_view operation) {
  const auto* row = std::ranges::find(kRows, operation, &Row::operation);
  return row == std::end(kRows) ? std::string_view() : row->instead;
}

}  // namespace belay::server
