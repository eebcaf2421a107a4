// Snapshots by a program of the operator's own, for arrays and whatever else has them. It is called as PROGRAM VERB
// with one JSON object on its standard input and answers with one on its standard output: docs/guide/snapshots.md.
#include <algorithm>

#include "agent/snapshots/snapshot_tools.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/trusted_file.hpp"

namespace belay::agent {
namespace {

using namespace snapshots;

constexpr int kProtocol = 1;
constexpr std::size_t kAnswerBytesMax = 1u << 20, kIdBytesMax = 300, kSaidBytesMax = 500, kMountsMax = 100;
// What it may exit with besides 0 and have it understood.
constexpr int kExitGone = 3, kExitNotWhole = 4, kExitNotNow = 5;

Code code_of(int exit_status) {
  if (exit_status == kExitGone) return Code::not_found;
  if (exit_status == kExitNotWhole) return Code::corrupt;
  return exit_status == kExitNotNow ? Code::conflict : Code::internal;
}

class CommandProvider final : public SnapshotProvider {
 public:
  CommandProvider(SnapshotHost host, CommandSettings settings)
      : host_(std::move(host)), settings_(std::move(settings)) {}
  std::string_view name() const override { return settings_.name; }
  Result<Coverage> covers(const std::vector<std::string>& mounts) override;
  Result<Snapshot> create(std::string_view tag, const std::vector<std::string>& mounts) override;
  Status verify(const Snapshot& snapshot) override;
  Result<Restored> restore(const Snapshot& snapshot) override;
  Result<std::vector<Snapshot>> list() override;
  Status remove(const Snapshot& snapshot) override;

 private:
  Result<json::Value> ask(std::string_view verb, json::Object request);
  Result<Snapshot> read_snapshot(const json::Value& value) const;
  Error misunderstood(std::string_view verb, const std::string& why) const {
    return Error(Code::corrupt, settings_.program + " " + std::string(verb) + " answers against its protocol: " + why);
  }

  SnapshotHost host_;
  CommandSettings settings_;
};

Result<json::Value> CommandProvider::ask(std::string_view verb, json::Object request) {
  BELAY_TRY(io::check_trusted(host_.files, settings_.program));
  request["protocol"] = kProtocol;
  io::ProcessSpec spec;
  spec.argv = {settings_.program, std::string(verb)};
  spec.environment = io::plain_environment();
  spec.standard_input = json::to_text(request) + "\n";
  spec.timeout = settings_.timeout;
  spec.output_bytes_max = kAnswerBytesMax;
  BELAY_TRY_ASSIGN(const auto outcome, host_.processes.run(spec));
  if (outcome.end == io::ProcessOutcome::End::exited && outcome.exit_status != 0)
    return Error(code_of(outcome.exit_status), tool_failed(spec.argv, outcome).message());
  if (!outcome.success()) return tool_failed(spec.argv, outcome);
  if (outcome.output_bytes_dropped > 0) return misunderstood(verb, "more than 1 MiB");
  if (trim(outcome.standard_output).empty()) return json::Value(json::Object());
  auto answer = json::parse(outcome.standard_output);
  if (!answer.ok()) return misunderstood(verb, answer.error().message());
  if (!answer->is_object()) return misunderstood(verb, "expected an object");
  return answer;
}

Result<Coverage> CommandProvider::covers(const std::vector<std::string>& mounts) {
  Coverage coverage;
  const auto trusted = io::check_trusted(host_.files, settings_.program);
  for (const auto& mount : mounts) {
    if (std::ranges::find(settings_.mounts, mount) == settings_.mounts.end())
      refuse(coverage, mount, "is not among the mounts that " + settings_.name + " takes");
    else if (!trusted.ok()) refuse(coverage, mount, "cannot be taken: " + trusted.error().chain());
  }
  return coverage;
}

Result<Snapshot> CommandProvider::read_snapshot(const json::Value& value) const {
  const auto wrong = [](const std::string& why) { return Error(Code::corrupt, why); };
  if (!value.is_object()) return wrong("a snapshot is an object");
  Snapshot snapshot;
  snapshot.provider = settings_.name;
  snapshot.id = json::text_or_empty(value, "id");
  snapshot.tag = json::text_or_empty(value, "tag");
  if (snapshot.id.empty() || !snapshots::is_plain(snapshot.id, kIdBytesMax))
    return wrong("id must be a text of at most " + std::to_string(kIdBytesMax) + " bytes");
  BELAY_TRY(check_tag(snapshot.tag));
  const auto taken_at = parse_iso8601(json::text_or_empty(value, "taken_at"));
  if (!taken_at.ok()) return wrong("taken_at must be a time such as 2026-11-27T14:00:00Z");
  snapshot.taken_at = *taken_at;
  snapshot.expires_at = snapshot.taken_at + host_.keep;
  const auto* mounts = json::find(value, "mounts");
  if (!mounts || !mounts->is_array() || mounts->get_array().size() > kMountsMax)
    return wrong("mounts must be a list of at most 100 paths");
  for (const auto& mount : mounts->get_array()) {
    if (!mount.is_string() || !mount.get_string().starts_with('/')) return wrong("mounts must be absolute paths");
    snapshot.mounts.emplace_back(mount.get_string());
  }
  return snapshot;
}

Result<std::vector<Snapshot>> CommandProvider::list() {
  BELAY_TRY_ASSIGN(const auto answer, ask("list", {}));
  const auto* rows = json::find(answer, "snapshots");
  if (!rows || !rows->is_array()) return misunderstood("list", "snapshots must be a list");
  std::vector<Snapshot> found;
  for (const auto& row : rows->get_array()) {
    auto snapshot = read_snapshot(row);
    if (!snapshot.ok()) return misunderstood("list", snapshot.error().message());
    if (found.size() < kSnapshotsMax) found.push_back(std::move(*snapshot));
  }
  return found;
}

Result<Snapshot> CommandProvider::create(std::string_view tag, const std::vector<std::string>& mounts) {
  BELAY_TRY(check_tag(tag));
  BELAY_TRY_ASSIGN(const auto coverage, covers(mounts));
  if (!coverage) return not_covered(coverage);
  const auto expires_at = host_.clock.now() + host_.keep;
  BELAY_TRY_ASSIGN(
      const auto answer,
      ask("create", {{"tag", tag}, {"mounts", json::encode(mounts)}, {"expires_at", to_iso8601(expires_at)}}));
  auto snapshot = read_snapshot(answer);
  if (!snapshot.ok()) return misunderstood("create", snapshot.error().message());
  if (snapshot->tag != tag) return misunderstood("create", "it is tagged " + snapshot->tag);
  for (const auto& mount : mounts)
    if (std::ranges::find(snapshot->mounts, mount) == snapshot->mounts.end())
      return misunderstood("create", "it lacks " + mount);
  return snapshot;
}

Status CommandProvider::verify(const Snapshot& snapshot) {
  const auto answer = ask("verify", {{"id", snapshot.id}, {"mounts", json::encode(snapshot.mounts)}});
  return answer.ok() ? Status() : Status(answer.error());
}

Result<Restored> CommandProvider::restore(const Snapshot& snapshot) {
  BELAY_TRY_ASSIGN(const auto answer, ask("restore", {{"id", snapshot.id},
                                                      {"mounts", json::encode(snapshot.mounts)},
                                                      {"carry_over", json::encode(host_.carry_over)}}));
  const auto* reboot = json::find(answer, "needs_reboot");
  if (!reboot || !reboot->is_bool()) return misunderstood("restore", "needs_reboot must be true or false");
  Restored restored{reboot->get_bool(), {}};
  if (const auto left = json::text_or_empty(answer, "left"); !left.empty())
    restored.left.push_back(sanitize(left, kSaidBytesMax));
  return restored;
}

Status CommandProvider::remove(const Snapshot& snapshot) {
  const auto answer = ask("delete", {{"id", snapshot.id}, {"mounts", json::encode(snapshot.mounts)}});
  if (answer.ok() || answer.error().code() == Code::not_found) return {};
  return answer.error();
}

}  // namespace

std::unique_ptr<SnapshotProvider> make_command_provider(SnapshotHost host, CommandSettings settings) {
  return std::make_unique<CommandProvider>(std::move(host), std::move(settings));
}

}  // namespace belay::agent
