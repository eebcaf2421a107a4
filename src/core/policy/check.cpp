// Whether an order may be begun.
#include <algorithm>

#include "base/text.hpp"
#include "core/document/built_in.hpp"
#include "core/policy/policy.hpp"

namespace belay::policy {
namespace {

Error forbidden(std::string what) {
  return Error(Code::permission_denied, "this node's policy forbids it: " + std::move(what), "policy-forbids");
}

bool matches(const std::vector<std::string>& globs, std::string_view text) {
  return std::ranges::any_of(globs, [&](const auto& glob) { return glob_match(glob, text); });
}

Status check_document(const Policy& policy, std::string_view name) {
  if (!policy.documents || matches(*policy.documents, name)) return {};
  const auto aws_name = document::aws_name_of(name);
  if (!aws_name.empty() && matches(*policy.documents, aws_name)) return {};
  return forbidden(name.empty() ? "what belongs to no document (documents)"
                                : "document " + sanitize(name, 200) + " is not among its documents");
}

Status check_path(const Policy& policy, const std::string& path, std::string_view what) {
  if (!policy.paths || path.empty()) return {};
  if (("/" + path + "/").find("/../") != std::string::npos)
    return forbidden(std::string(what) + " " + sanitize(path, 300) + " has a '..'");
  if (!path.starts_with('/')) return {};  // within the run's own directory
  for (const auto& allowed : *policy.paths) {
    std::string_view folder = allowed;
    while (folder.ends_with('/')) folder.remove_suffix(1);
    if (path == folder || path.starts_with(std::string(folder) + "/") || glob_match(allowed, path)) return {};
  }
  return forbidden(std::string(what) + " " + sanitize(path, 300) + " is not among its paths");
}

Status check_step(const Policy& policy, const document::Step& step) {
  if (const auto* script = std::get_if<document::RunShellScript>(&step.work)) {
    if (!policy.scripts) return forbidden("scripts (step " + sanitize(step.name, 200) + ")");
    return check_path(policy, script->working_directory, "the working directory");
  }
  if (const auto* content = std::get_if<document::DownloadContent>(&step.work))
    return check_path(policy, content->destination, "the destination");
  if (const auto* inner = std::get_if<document::RunDocument>(&step.work)) {
    if (inner->local_path.empty()) return check_document(policy, inner->document);
    return check_path(policy, inner->local_path, "the document");
  }
  const auto* patch = std::get_if<document::Patch>(&step.work);
  if (patch && patch->operation != "Scan" && !policy.patching)
    return forbidden("patching (step " + sanitize(step.name, 200) + ")");
  return {};
}

bool holds(const Hours& hours, schedule::LocalTime local) {
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const auto today = std::chrono::weekday(day).c_encoding();
  const auto yesterday = (today + 6) % 7;
  const auto time = local - day;
  if (hours.from < hours.until) return hours.days[today] && hours.from <= time && time < hours.until;
  return (hours.days[today] && hours.from <= time) || (hours.days[yesterday] && time < hours.until);
}

}  // namespace

Status check(const Policy& policy, const schedule::ZoneRules& rules, const Question& question, Instant now) {
  if (question.changes_node || !question.document.empty()) BELAY_TRY(check_document(policy, question.document));
  const bool somebody_asks = question.changes_node || !question.requested_by.empty();
  if (somebody_asks && policy.users && !matches(*policy.users, question.requested_by))
    return forbidden("'" + sanitize(question.requested_by, 200) + "' is not among its users");
  if (question.patches && !policy.patching) return forbidden("patching");
  if (!question.script.empty() && !policy.scripts) return forbidden("scripts (" + sanitize(question.script, 200) + ")");
  if (question.installs && question.approvals < policy.approvals)
    return forbidden("what it installs was approved by " + std::to_string(question.approvals) +
                     " people that this node can make sure of, and " + std::to_string(policy.approvals) +
                     " are wanted (approvals)");
  for (const auto& step : question.steps)
    if (step.skip.empty()) BELAY_TRY(check_step(policy, step));
  if (!question.changes_node || question.goes_on || !policy.hours) return {};
  const auto local = schedule::to_local(rules, now);
  if (std::ranges::any_of(*policy.hours, [&](const auto& hours) { return holds(hours, local); })) return {};
  return forbidden("it is " + schedule::to_local_iso8601(rules, now) + " here, outside its hours");
}

}  // namespace belay::policy
