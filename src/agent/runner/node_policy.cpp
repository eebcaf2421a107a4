#include "agent/runner/node_policy.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/toml.hpp"
#include "core/schedule/tzif.hpp"
#include "io/zone_files.hpp"

namespace belay::agent {
namespace {

constexpr std::uint32_t kWritableByOthers = 0022;
constexpr std::string_view kLocalZoneFile = "/etc/localtime";

Error unusable(std::string why) {
  return Error(Code::permission_denied, std::move(why) + "; until that is mended every order is refused",
               "policy-unusable");
}

// Whoever may write it decides what this node does: that is root, and in a rehearsal the user this runs as.
Status check_owner(const io::FileInfo& info, const std::string& path) {
  if (info.owner != 0 && info.owner != ::geteuid())
    return unusable(path + " belongs to user " + std::to_string(info.owner) + ", not to root");
  if (info.mode & kWritableByOthers) return unusable(path + " may be written by others than root; chmod go-w " + path);
  return {};
}

Status check_place(const io::Files& files, const std::string& path, const io::FileInfo& info) {
  if (info.kind != io::FileInfo::Kind::file) return unusable(path + " is no plain file");
  BELAY_TRY(check_owner(info, path));
  const auto slash = path.rfind('/');
  const auto folder = slash == std::string::npos ? std::string(".") : slash == 0 ? "/" : path.substr(0, slash);
  const auto around = files.info(folder);
  if (!around.ok()) return unusable(around.error().chain());
  return check_owner(*around, folder);
}

Result<schedule::ZoneRules> zone_for(const io::Files& files, const std::string& name) {
  if (name != policy::kLocalZone)
    return schedule::zone_of(name, [&](std::string_view zone) { return io::read_zone_file(files, zone); });
  const auto bytes = files.read(std::string(kLocalZoneFile), schedule::kTzifBytesMax);
  if (!bytes.ok() && bytes.error().code() == Code::not_found)
    return schedule::ZoneRules{};  // as the C library takes it
  if (!bytes.ok()) return bytes.error();
  return schedule::parse_tzif(*bytes, "local");
}

bool has_begun(const document::Run& run) {
  return std::ranges::any_of(
      run.steps, [](const auto& step) { return step.finished_at && step.status != document::StepStatus::Skipped; });
}

}  // namespace

Result<NodePolicy> read_node_policy(const io::Files& files, const std::string& path) {
  const auto info = files.info(path);
  if (!info.ok() && info.error().code() == Code::not_found) return info.error();
  if (!info.ok()) return unusable(info.error().chain());
  BELAY_TRY(check_place(files, path, *info));
  const auto text = files.read(path, policy::kPolicyBytesMax);
  if (!text.ok()) return unusable(text.error().chain());
  const auto file = toml::parse(*text, {.bytes_max = policy::kPolicyBytesMax});
  if (!file.ok()) return unusable(path + ": " + file.error().chain());
  auto read = policy::read_policy(*file);
  if (!read.ok()) return unusable(path + ": " + read.error().chain());
  NodePolicy node{std::move(*read), {}};
  if (!node.policy.hours) return node;
  auto zone = zone_for(files, node.policy.timezone);
  if (!zone.ok()) return unusable(path + ": timezone: " + zone.error().chain());
  node.zone = std::move(*zone);
  return node;
}

Status check_policy(const io::Files& files, const std::string& path, const wire::Order& order, Instant now) {
  const auto node = read_node_policy(files, path);
  if (!node.ok() && node.error().code() == Code::not_found) return {};
  if (!node.ok()) return node.error();
  using wire::OrderKind;
  policy::Question question;
  question.document = order.document;
  question.requested_by = order.requested_by;
  question.changes_node = order.kind == OrderKind::patch || order.kind == OrderKind::steps;
  question.patches = order.kind == OrderKind::patch || order.kind == OrderKind::plan;
  question.goes_on = order.kind == OrderKind::steps && has_begun(order.steps->run);
  if (order.steps) question.steps = order.steps->steps;
  return policy::check(node->policy, node->zone, question, now);
}

}  // namespace belay::agent
