// Datasets of ZFS: DATASET@TAG, with the mounts it was asked for in the property belay:mounts.
#include <algorithm>
#include <map>

#include "agent/snapshots/snapshot_tools.hpp"
#include "agent/snapshots/tool_text.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

using namespace snapshots;

constexpr std::string_view kColumns = "name,creation,createtxg,belay:mounts";
constexpr std::string_view kProperty = "belay:mounts=";
constexpr std::size_t kPropertyBytesMax = 8'000;  // ZFS allows 8,192

std::string pool_of(std::string_view dataset) { return std::string(split(dataset, '/').front()); }

class Zfs final : public SnapshotProvider {
 public:
  explicit Zfs(SnapshotHost host) : host_(std::move(host)) {}
  std::string_view name() const override { return "zfs"; }
  Result<Coverage> covers(const std::vector<std::string>& mounts) override;
  Result<Snapshot> create(std::string_view tag, const std::vector<std::string>& mounts) override;
  Status verify(const Snapshot& snapshot) override;
  Result<Restored> restore(const Snapshot& snapshot) override;
  Result<std::vector<Snapshot>> list() override;
  Result<std::vector<SnapshotView>> views(const Snapshot& snapshot) override;
  Status remove(const Snapshot& snapshot) override;

 private:
  Result<std::vector<MountRow>> datasets_of(const std::vector<std::string>& mounts, Coverage& coverage);
  Result<std::vector<ZfsSnapshot>> snapshots();
  Result<std::vector<ZfsSnapshot>> tagged(const std::string& tag);
  Status check_newest(const std::vector<ZfsSnapshot>& all, const ZfsSnapshot& snapshot) const;
  Status roll_back(const ZfsSnapshot& snapshot);

  SnapshotHost host_;
};

Result<std::vector<ZfsSnapshot>> Zfs::snapshots() {
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  // A machine without ZFS may have its tools all the same: they fail there.
  if (std::ranges::find(table, "zfs", &MountRow::type) == table.end()) return std::vector<ZfsSnapshot>();
  BELAY_TRY_ASSIGN(const auto text,
                   run_tool(host_, {"zfs", "list", "-H", "-p", "-t", "snapshot", "-o", std::string(kColumns)}));
  return parse_zfs_snapshots(text);
}

Result<std::vector<ZfsSnapshot>> Zfs::tagged(const std::string& tag) {
  BELAY_TRY(check_tag(tag));
  BELAY_TRY_ASSIGN(auto all, snapshots());
  std::erase_if(all, [&](const auto& one) { return one.tag != tag || one.mounts.empty(); });
  return all;
}

Result<std::vector<MountRow>> Zfs::datasets_of(const std::vector<std::string>& mounts, Coverage& coverage) {
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  std::vector<MountRow> datasets;
  for (const auto& path : mounts) {
    const auto* row = holding(table, path);
    if (!row || row->type != "zfs") {
      refuse(coverage, path, row ? "lies on " + sanitize(row->type, 50) + ", not on ZFS" : "is no absolute path");
      continue;
    }
    if (std::ranges::any_of(datasets, [&](const auto& known) { return known.source == row->source; })) continue;
    const auto available = run_tool(host_, {"zfs", "list", "-H", "-p", "-o", "name,available", row->source});
    if (!available.ok() && available.error().code() != Code::not_found) return available.error();
    if (!available.ok()) {
      refuse(coverage, path, "needs the program zfs (zfsutils-linux)");
      continue;
    }
    if (const auto bytes = parse_zfs_available(*available)) limit_free(coverage, *bytes);
    datasets.push_back(*row);
  }
  return datasets;
}

Result<Coverage> Zfs::covers(const std::vector<std::string>& mounts) {
  Coverage coverage;
  BELAY_TRY_ASSIGN(const auto datasets, datasets_of(mounts, coverage));
  return coverage;
}

Result<std::vector<Snapshot>> Zfs::list() {
  BELAY_TRY_ASSIGN(const auto all, snapshots());
  std::map<std::string, Snapshot> found;
  for (const auto& one : all) {
    if (one.mounts.empty() || found.size() >= kSnapshotsMax) continue;
    auto& snapshot =
        found.try_emplace(one.tag, Snapshot{one.tag, "zfs", one.created_at, {}, one.tag, {}}).first->second;
    snapshot.taken_at = std::min(snapshot.taken_at, one.created_at);
    snapshot.expires_at = snapshot.taken_at + host_.keep;
    for (const auto& mount : one.mounts)
      if (std::ranges::find(snapshot.mounts, mount) == snapshot.mounts.end()) snapshot.mounts.push_back(mount);
  }
  std::vector<Snapshot> snapshots;
  for (auto& [tag, snapshot] : found) snapshots.push_back(std::move(snapshot));
  return snapshots;
}

// All datasets of one pool at one moment.
Result<Snapshot> Zfs::create(std::string_view tag, const std::vector<std::string>& mounts) {
  BELAY_TRY_ASSIGN(const auto known, tagged(std::string(tag)));
  Coverage coverage;
  BELAY_TRY_ASSIGN(const auto datasets, datasets_of(mounts, coverage));
  if (!coverage) return not_covered(coverage);
  std::map<std::string, std::vector<MountRow>> pools;
  for (const auto& row : datasets)
    if (std::ranges::find(known, row.source, &ZfsSnapshot::dataset) == known.end())
      pools[pool_of(row.source)].push_back(row);
  for (const auto& [pool, rows] : pools) {
    std::string property(kProperty);
    for (const auto& row : rows) property += (property.ends_with('=') ? "" : ",") + to_name(row.point);
    if (property.size() > kPropertyBytesMax)
      return Error(Code::invalid_argument, "too many mounts for one snapshot of pool " + pool);
    std::vector<std::string> argv{"zfs", "snapshot", "-o", property};
    for (const auto& row : rows) argv.push_back(row.source + "@" + std::string(tag));
    BELAY_TRY_ASSIGN(const auto said, run_tool(host_, argv));
  }
  BELAY_TRY_ASSIGN(const auto all, list());
  const auto taken = std::ranges::find(all, tag, &Snapshot::id);
  if (taken == all.end())
    return Error(Code::internal, "ZFS made snapshot " + std::string(tag) + " and does not list it");
  return *taken;
}

Status Zfs::verify(const Snapshot& snapshot) {
  BELAY_TRY_ASSIGN(const auto parts, tagged(snapshot.id));
  if (parts.empty()) return Error(Code::not_found, "snapshot " + snapshot.id + " is gone");
  // Where a mount's dataset is known its own snapshot must be there, not only another one of the same tag.
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  for (const auto& mount : snapshot.mounts) {
    const auto* row = holding(table, mount);
    if (!row || row->type != "zfs" || std::ranges::find(parts, row->source, &ZfsSnapshot::dataset) == parts.end())
      return Error(Code::not_found, "snapshot " + snapshot.id + " of " + mount + " is gone");
  }
  return {};
}

// `zfs rollback` destroys what is newer where it is told to (-r). It never is: a newer one is somebody's way back.
Status Zfs::check_newest(const std::vector<ZfsSnapshot>& all, const ZfsSnapshot& snapshot) const {
  for (const auto& other : all)
    if (other.dataset == snapshot.dataset && other.transaction > snapshot.transaction)
      return Error(Code::conflict, "going back to " + snapshot.dataset + "@" + snapshot.tag +
                                       " would destroy the newer snapshot " + other.dataset + "@" + other.tag +
                                       "; remove that one first, if nobody needs it");
  return {};
}

// The dataset is back at once, and with it what must outlive that: it is put aside, and back again.
Status Zfs::roll_back(const ZfsSnapshot& snapshot) {
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  const auto row = std::ranges::find(table, snapshot.dataset, &MountRow::source);
  const auto paths = row == table.end() ? std::vector<std::string>() : carried(host_, table, *row);
  const auto aside = host_.run_directory + "/aside-" + to_name(snapshot.dataset);
  if (!paths.empty() && !host_.files.info(aside).ok()) {  // there already: an earlier attempt was cut off after it
    const auto being_made = aside + "-new";
    BELAY_TRY(host_.files.remove_tree(being_made));
    BELAY_TRY(host_.files.make_directories(being_made, 0700));
    for (const auto& path : paths) BELAY_TRY(copy_tree(host_, path, being_made + "/" + to_name(path)));
    BELAY_TRY(host_.files.rename_durable(being_made, aside));
  }
  const auto done = run_tool(host_, {"zfs", "rollback", snapshot.dataset + "@" + snapshot.tag});
  if (!done.ok()) {
    static_cast<void>(host_.files.remove_tree(aside));  // it would be older than what is there at the next attempt
    return done.error();
  }
  for (const auto& path : paths) {
    BELAY_TRY(host_.files.remove_tree(path));
    BELAY_TRY(host_.files.make_directories(path.substr(0, path.rfind('/')), 0755));
    BELAY_TRY(copy_tree(host_, aside + "/" + to_name(path), path));
  }
  return paths.empty() ? Status() : host_.files.remove_tree(aside);
}

Result<Restored> Zfs::restore(const Snapshot& snapshot) {
  BELAY_TRY(verify(snapshot));
  BELAY_TRY_ASSIGN(const auto all, snapshots());
  BELAY_TRY_ASSIGN(const auto parts, tagged(snapshot.id));
  for (const auto& part : parts) BELAY_TRY(check_newest(all, part));
  Restored restored;
  for (const auto& part : parts) {
    BELAY_TRY(roll_back(part).within(part.dataset + " cannot be restored"));
    // What runs from / keeps the old files in memory.
    if (std::ranges::find(part.mounts, "/") != part.mounts.end()) restored.needs_reboot = true;
  }
  return restored;
}

Result<std::vector<SnapshotView>> Zfs::views(const Snapshot& snapshot) {
  BELAY_TRY_ASSIGN(const auto parts, tagged(snapshot.id));
  std::vector<SnapshotView> all;
  for (const auto& mount : snapshot.mounts) {
    const auto part = std::ranges::find_if(
        parts, [&](const auto& one) { return std::ranges::find(one.mounts, mount) != one.mounts.end(); });
    if (part == parts.end()) return Error(Code::not_found, "snapshot " + snapshot.id + " of " + mount + " is gone");
    // One property names all mounts of a pool's snapshot; which of the datasets is this one's, the mounts say.
    BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
    const auto* row = holding(table, mount);
    if (!row || row->type != "zfs") return Error(Code::not_found, mount + " is no mount of ZFS any more");
    all.push_back({mount, {"-t", "zfs", "-o", "ro", row->source + "@" + snapshot.tag}});
  }
  return all;
}

Status Zfs::remove(const Snapshot& snapshot) {
  BELAY_TRY_ASSIGN(const auto parts, tagged(snapshot.id));
  for (const auto& part : parts) {
    BELAY_TRY_ASSIGN(const auto said, run_tool(host_, {"zfs", "destroy", part.dataset + "@" + part.tag}));
  }
  return {};
}

}  // namespace

std::unique_ptr<SnapshotProvider> make_zfs(SnapshotHost host) { return std::make_unique<Zfs>(std::move(host)); }

}  // namespace belay::agent
