#include "agent/runner/kept_snapshots.hpp"

#include <algorithm>

#include "agent/runner/problems.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kFileBytesMax = 4 << 20;
constexpr std::size_t kKeptMax = 1'000;

struct KeptFile {
  std::uint32_t format = 1;
  std::vector<KeptSnapshot> snapshots;
};
BOOST_DESCRIBE_STRUCT(KeptFile, (), (format, snapshots))

Result<KeptFile> load(const io::Files& files, const StatePaths& paths) {
  const auto text = files.read(paths.snapshots(), kFileBytesMax);
  if (!text.ok() && text.error().code() == Code::not_found) return KeptFile{};
  if (!text.ok()) return text.error();
  return json::decode_text<KeptFile>(*text, {.bytes_max = kFileBytesMax}).within(paths.snapshots());
}

Status save(io::Files& files, const StatePaths& paths, const KeptFile& kept) {
  return files.write_durable(paths.snapshots(), json::encode_text(kept), 0600)
      .within("which snapshots are kept cannot be noted");
}

bool is_same(const KeptSnapshot& kept, const std::string& provider, const std::string& id) {
  return kept.provider == provider && kept.id == id;
}

fleet::Problem leftover(const std::string& provider, const std::string& id, const std::string& why) {
  return {fleet::Reason::other, sanitize(provider + ":" + id, 300), "the snapshot " + why,
          "when it is not needed any more, on the node: belay-agent snapshots remove " + sanitize(id, 200) + " --yes",
          false};
}

}  // namespace

std::string snapshot_tag(const std::string& run_id) { return "belay-" + run_id; }

std::vector<std::string> tags_in_use(io::Files& files, const StatePaths& paths) {
  std::vector<std::string> tags;
  if (const auto names = files.list(paths.orders()); names.ok())
    for (const auto& id : *names) tags.push_back(snapshot_tag(id));
  if (const auto kept = load(files, paths); kept.ok())
    for (const auto& snapshot : kept->snapshots) tags.push_back(snapshot_tag(snapshot.run_id));
  return tags;
}

std::string describe(const patchrun::SnapshotTaken& taken) {
  return taken.provider + ":" + taken.id + " of " + join(taken.mounts, ", ");
}

SnapshotProvider* provider_of(const std::vector<SnapshotProvider*>& providers, const std::string& name) {
  const auto found = std::ranges::find_if(providers, [&](const auto* p) { return p->name() == name; });
  return found == providers.end() ? nullptr : *found;
}

Status keep_snapshots(io::Files& files, const StatePaths& paths, const patchrun::RunState& run,
                      std::optional<Instant> expires_at, Instant now) {
  if (run.protection.snapshots.empty()) return {};
  BELAY_TRY_ASSIGN(auto kept, load(files, paths));
  for (const auto& taken : run.protection.snapshots) {
    std::erase_if(kept.snapshots, [&](const auto& k) { return is_same(k, taken.provider, taken.id); });
    if (kept.snapshots.size() >= kKeptMax)
      return Error(Code::resource_exhausted, std::to_string(kKeptMax) + " snapshots are kept on this node already");
    kept.snapshots.push_back({taken.id, taken.provider, taken.mounts, run.run_id, now, expires_at});
  }
  return save(files, paths, kept);
}

std::vector<fleet::Problem> tidy_snapshots(io::Files& files, const StatePaths& paths,
                                           const std::vector<SnapshotProvider*>& providers, Instant now) {
  auto kept = load(files, paths);
  if (!kept.ok()) return {problem_of(kept.error(), paths.snapshots())};
  std::vector<fleet::Problem> problems;
  const auto noted = kept->snapshots.size();
  const auto in_use = tags_in_use(files, paths);
  for (auto* provider : providers) {
    const std::string name(provider->name());
    const auto there = provider->list();
    if (!there.ok()) {
      problems.push_back(problem_of(there.error(), name));
      continue;
    }
    for (const auto& [snapshot, why, age] : leftovers(*there, in_use, now))
      if (why == Leftover::Why::run_ended)
        problems.push_back(
            leftover(name, snapshot.id, "belongs to no run that this node knows and is " + humanize(age) + " old"));
    std::erase_if(kept->snapshots, [&](const KeptSnapshot& k) {
      if (k.provider != name) return false;
      if (std::ranges::find(*there, k.id, &Snapshot::id) == there->end()) return true;
      if (!k.expires_at) {
        problems.push_back(leftover(name, k.id, "is kept since run " + k.run_id + " needs a person to look"));
        return false;
      }
      if (now < *k.expires_at) return false;
      const auto gone = provider->remove({k.id, k.provider, k.kept_at, k.mounts});
      if (!gone.ok()) problems.push_back(problem_of(gone.error(), name + ":" + k.id));
      else log::info("snapshot_expired", {{"snapshot", k.id}, {"run", k.run_id}});
      return gone.ok();
    });
  }
  if (kept->snapshots.size() != noted)
    if (const auto saved = save(files, paths, *kept); !saved.ok()) problems.push_back(problem_of(saved.error()));
  return problems;
}

}  // namespace belay::agent
