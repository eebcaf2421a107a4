#include "agent/runner/node_policy.hpp"

#include <algorithm>

#include "agent/runner/records.hpp"
#include "base/toml.hpp"
#include "core/schedule/tzif.hpp"
#include "io/trusted_file.hpp"
#include "io/zone_files.hpp"

namespace belay::agent {
namespace {

constexpr std::string_view kLocalZoneFile = "/etc/localtime";

Error unusable(std::string why) {
  return Error(Code::permission_denied, std::move(why) + "; until that is mended every order is refused",
               "policy-unusable");
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

// Every change leads to a version that a run of this node replaced. That an order says of itself that it takes
// something back is not believed.
bool takes_back(const io::Files& files, const StatePaths& paths, const patchrun::PatchRunOrder& patch) {
  if (patch.undoes.empty() || patch.changes.empty()) return false;
  const auto records = read_records(files, paths);
  return std::ranges::all_of(patch.changes, [&](const auto& change) {
    return std::ranges::any_of(records.results, [&](const auto& result) {
      return result.run && std::ranges::any_of(result.run->changed, [&](const auto& past) {
               return past.name == change.name && past.arch == change.arch && past.from_version == change.to_version;
             });
    });
  });
}

// The first that a run of these probes begins, before its change already, as root; "" where they only look.
std::string command_of_probes(const std::vector<patchrun::ProbeSpec>& probes) {
  for (const auto& probe : probes)
    if (probe.command) return "the command of the probe " + probe.name;
  return {};
}

}  // namespace

Result<NodePolicy> read_node_policy(const io::Files& files, const std::string& path) {
  const auto trusted = io::check_trusted(files, path);
  if (!trusted.ok() && trusted.error().code() == Code::not_found) return trusted.error();
  if (!trusted.ok()) return unusable(trusted.error().chain());
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

Status check_policy(const io::Files& files, const StatePaths& paths, const std::string& path, const wire::Order& order,
                    Instant now) {
  const auto node = read_node_policy(files, path);
  if (!node.ok() && node.error().code() == Code::not_found) return {};
  if (!node.ok()) return node.error();
  using wire::OrderKind;
  policy::Question question;
  question.document = order.document;
  question.requested_by = order.requested_by;
  const bool measures = order.kind == OrderKind::patch && patchrun::only_measures(*order.patch);
  question.changes_node = (order.kind == OrderKind::patch && !measures) || order.kind == OrderKind::steps;
  question.patches = (order.kind == OrderKind::patch && !measures) || order.kind == OrderKind::plan;
  question.goes_on = order.kind == OrderKind::steps && has_begun(order.steps->run);
  if (order.kind == OrderKind::patch && !measures && node->policy.approvals > 0) {
    question.installs = !takes_back(files, paths, *order.patch);
    if (order.patch->approved) question.approvals = static_cast<std::uint32_t>(order.patch->approved->approvals.size());
  }
  const auto script = order.kind == OrderKind::patch ? command_of_probes(order.patch->probes) : std::string();
  question.script = script;
  if (order.steps) question.steps = order.steps->steps;
  return policy::check(node->policy, node->zone, question, now);
}

}  // namespace belay::agent
