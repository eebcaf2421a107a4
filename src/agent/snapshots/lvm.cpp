// Logical volumes. A snapshot of VG/root under the tag T is VG/T.root with the LVM tags belay:tag=T and
// belay:mount=MOUNT. Once it is merged it is no more; its origin then bears belay:tag=T, until the snapshot is removed.
#include <algorithm>
#include <map>

#include "agent/snapshots/lvm_report.hpp"
#include "agent/snapshots/snapshot_tools.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

using namespace snapshots;
using Volumes = std::vector<LogicalVolume>;

constexpr std::string_view kTag = "belay:tag=", kMount = "belay:mount=";
constexpr double kPoolPercentMax = 90, kPoolPercentFull = 98, kSnapshotPercentFull = 100;
constexpr std::uint64_t kMebibyte = 1u << 20;
constexpr std::size_t kNameCharactersMax = 127;

struct Part {
  MountRow mount;
  LogicalVolume origin;
};

bool bears(const LogicalVolume& volume, const std::string& tag) {
  return std::ranges::find(volume.tags, std::string(kTag) + tag) != volume.tags.end();
}

std::string value_of(const LogicalVolume& volume, std::string_view name) {
  for (const auto& tag : volume.tags)
    if (tag.starts_with(name)) return tag.substr(name.size());
  return {};
}

std::string snapshot_name(const std::string& tag, const std::string& origin) { return tag + "." + origin; }

bool is_snapshot(const LogicalVolume& volume, const std::string& tag) {
  return !tag.empty() && bears(volume, tag) && volume.name.starts_with(tag + ".");
}

const LogicalVolume* pool_of(const Volumes& volumes, const LogicalVolume& thin) {
  const auto found = std::ranges::find_if(
      volumes, [&](const auto& other) { return other.group == thin.group && other.name == thin.pool; });
  return found == volumes.end() ? nullptr : &*found;
}

std::string percent_text(const std::optional<double>& percent) {
  return percent ? std::to_string(static_cast<int>(*percent)) + " %" : "unknown";
}

// What LVM lets stand in a tag.
bool is_taggable(std::string_view mount) {
  return std::ranges::all_of(mount, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_+.-/=!:&#").find(c) != std::string_view::npos;
  });
}

class Lvm final : public SnapshotProvider {
 public:
  Lvm(SnapshotHost host, int classic_percent) : host_(std::move(host)), classic_percent_(classic_percent) {}
  std::string_view name() const override { return "lvm"; }
  Result<Coverage> covers(const std::vector<std::string>& mounts) override;
  Result<Snapshot> create(std::string_view tag, const std::vector<std::string>& mounts) override;
  Status verify(const Snapshot& snapshot) override;
  Result<Restored> restore(const Snapshot& snapshot) override;
  Result<std::vector<Snapshot>> list() override;
  Result<std::vector<SnapshotView>> views(const Snapshot& snapshot) override;
  Status remove(const Snapshot& snapshot) override;

 private:
  Result<Volumes> volumes();
  Result<std::vector<Part>> parts_of(const std::vector<std::string>& mounts, Coverage& coverage);
  std::string why_not(const Volumes& all, const LogicalVolume& origin, std::map<std::string, std::uint64_t>& wanted,
                      Coverage& coverage) const;
  std::uint64_t classic_bytes(const LogicalVolume& origin) const {
    const auto bytes = origin.bytes / 100 * static_cast<std::uint64_t>(classic_percent_);
    return (bytes + kMebibyte - 1) / kMebibyte * kMebibyte;
  }
  Status check_whole(const Volumes& all, const LogicalVolume& volume) const;
  Status carry_into(const LogicalVolume& volume);
  Status merge(const Volumes& all, const LogicalVolume& volume, const std::string& tag);
  Snapshot describe(const LogicalVolume& volume) const;

  SnapshotHost host_;
  int classic_percent_;
};

Result<Volumes> Lvm::volumes() {
  BELAY_TRY_ASSIGN(const auto text,
                   run_tool(host_, {"lvs", "--all", "--reportformat", "json", "--units", "b", "--nosuffix", "--config",
                                    "report/time_format=\"%s\"", "--options", std::string(kLvmFields)}));
  return parse_lvm_report(text);
}

// Empty where it can be taken; what it will need of its group is added up.
std::string Lvm::why_not(const Volumes& all, const LogicalVolume& origin, std::map<std::string, std::uint64_t>& wanted,
                         Coverage& coverage) const {
  if (origin.has_merging()) return "takes an older snapshot back at its next activation; restart first";
  if (origin.attribute(0) == 's') return "is a snapshot itself";
  if (origin.is_thin()) {
    const auto* pool = pool_of(all, origin);
    if (!pool) return "is a thin volume whose pool LVM does not report";
    if (pool->is_failing() || pool->data_percent.value_or(100) > kPoolPercentMax ||
        pool->metadata_percent.value_or(100) > kPoolPercentMax)
      return "lies in the thin pool " + pool->path() + ", which is too full (data " + percent_text(pool->data_percent) +
             ", metadata " + percent_text(pool->metadata_percent) + "); extend it";
    limit_free(coverage, static_cast<std::uint64_t>(static_cast<double>(pool->bytes) *
                                                    (100 - pool->data_percent.value_or(100)) / 100));
    return {};
  }
  auto& bytes = wanted[origin.group];
  bytes += classic_bytes(origin);
  if (bytes > origin.group_bytes_free)
    return "needs " + std::to_string(bytes >> 20) + " MiB for a classic snapshot of " +
           std::to_string(classic_percent_) + " %; the volume group " + origin.group + " has " +
           std::to_string(origin.group_bytes_free >> 20) + " MiB free";
  limit_free(coverage, classic_bytes(origin));
  return {};
}

Result<std::vector<Part>> Lvm::parts_of(const std::vector<std::string>& mounts, Coverage& coverage) {
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  std::optional<Volumes> all;
  std::map<std::string, std::uint64_t> wanted;
  std::vector<Part> parts;
  for (const auto& path : mounts) {
    const auto* row = holding(table, path);
    if (!row || !(row->source.starts_with("/dev/") && row->type != "btrfs")) {
      refuse(
          coverage, path,
          row ? "lies on " + sanitize(row->type, 50) + ", not on a logical volume of its own" : "is no absolute path");
      continue;
    }
    if (!all) {
      auto asked = volumes();
      if (!asked.ok() && asked.error().code() != Code::not_found) return asked.error();
      all = asked.ok() ? std::move(*asked) : Volumes();
    }
    const auto origin = std::ranges::find(*all, row->device, &LogicalVolume::device);
    if (origin == all->end()) {
      refuse(coverage, path, "lies on " + sanitize(row->source, 100) + ", which is no logical volume");
      continue;
    }
    if (std::ranges::any_of(parts, [&](const auto& known) { return known.mount.device == row->device; })) continue;
    auto why =
        is_taggable(row->point) ? why_not(*all, *origin, wanted, coverage) : "has a name that LVM's tags cannot hold";
    if (!why.empty()) refuse(coverage, path, why);
    else parts.push_back({*row, *origin});
  }
  return parts;
}

Result<Coverage> Lvm::covers(const std::vector<std::string>& mounts) {
  Coverage coverage;
  BELAY_TRY_ASSIGN(const auto parts, parts_of(mounts, coverage));
  return coverage;
}

Snapshot Lvm::describe(const LogicalVolume& volume) const {
  const auto tag = value_of(volume, kTag);
  return {tag, std::string(name()), volume.created_at, {value_of(volume, kMount)}, tag, volume.created_at + host_.keep};
}

Result<std::vector<Snapshot>> Lvm::list() {
  const auto all = volumes();
  if (!all.ok() && all.error().code() == Code::not_found) return std::vector<Snapshot>();  // a machine without LVM
  if (!all.ok()) return all.error();
  std::map<std::string, Snapshot> found;
  for (const auto& volume : *all) {
    const auto tag = value_of(volume, kTag);
    if (!is_snapshot(volume, tag) || volume.is_merging() || found.size() >= kSnapshotsMax) continue;
    auto described = describe(volume);
    const auto [known, is_new] = found.try_emplace(tag, described);
    if (is_new) continue;
    known->second.mounts.push_back(described.mounts.front());
    known->second.taken_at = std::min(known->second.taken_at, described.taken_at);
    known->second.expires_at = known->second.taken_at + host_.keep;
  }
  std::vector<Snapshot> snapshots;
  for (auto& [tag, snapshot] : found) snapshots.push_back(std::move(snapshot));
  return snapshots;
}

Result<Snapshot> Lvm::create(std::string_view tag, const std::vector<std::string>& mounts) {
  BELAY_TRY(check_tag(tag));
  const std::string wanted(tag);
  BELAY_TRY_ASSIGN(const auto known, list());
  const auto existing = std::ranges::find(known, wanted, &Snapshot::id);
  Coverage coverage;
  BELAY_TRY_ASSIGN(const auto parts, parts_of(mounts, coverage));
  if (existing != known.end() && has_all(host_, *existing, mounts)) return *existing;
  if (!coverage) return not_covered(coverage);
  for (const auto& part : parts) {
    if (existing != known.end() && std::ranges::find(existing->mounts, part.mount.point) != existing->mounts.end())
      continue;
    const auto name = snapshot_name(wanted, part.origin.name);
    if (name.size() > kNameCharactersMax)
      return Error(Code::invalid_argument, "a logical volume cannot be named " + name);
    std::vector<std::string> argv{"lvcreate",
                                  "--yes",
                                  "--snapshot",
                                  "--name",
                                  name,
                                  "--addtag",
                                  std::string(kTag) + wanted,
                                  "--addtag",
                                  std::string(kMount) + part.mount.point};
    if (!part.origin.is_thin()) argv.insert(argv.end(), {"--size", std::to_string(classic_bytes(part.origin)) + "b"});
    argv.push_back(part.origin.path());
    BELAY_TRY_ASSIGN(const auto said, run_tool(host_, argv));
  }
  BELAY_TRY_ASSIGN(const auto now, list());
  const auto taken = std::ranges::find(now, wanted, &Snapshot::id);
  if (taken == now.end()) return Error(Code::internal, "LVM made snapshot " + wanted + " and does not list it");
  return *taken;
}

Status Lvm::check_whole(const Volumes& all, const LogicalVolume& volume) const {
  const auto what = "snapshot " + volume.path();
  if (volume.merge_failed()) return Error(Code::corrupt, what + " could not be merged; see lvs and dmesg");
  if (volume.is_thin()) {
    const auto* pool = pool_of(all, volume);
    if (!pool || pool->is_failing() || pool->data_percent.value_or(100) >= kPoolPercentFull ||
        pool->metadata_percent.value_or(100) >= kPoolPercentFull)
      return Error(Code::corrupt, what + " lies in a thin pool that is full or failing (data " +
                                      percent_text(pool ? pool->data_percent : std::nullopt) + ", metadata " +
                                      percent_text(pool ? pool->metadata_percent : std::nullopt) +
                                      "); extend the pool");
    return {};
  }
  if (volume.is_invalid() || volume.data_percent.value_or(0) >= kSnapshotPercentFull)
    return Error(Code::corrupt, what + " overflowed: more was changed than it had room for; it cannot be restored");
  return {};
}

Status Lvm::verify(const Snapshot& snapshot) {
  BELAY_TRY_ASSIGN(const auto all, volumes());
  std::vector<std::string> found;
  for (const auto& volume : all) {
    if (!is_snapshot(volume, snapshot.id)) continue;
    BELAY_TRY(check_whole(all, volume));
    found.push_back(value_of(volume, kMount));
  }
  if (found.empty()) return Error(Code::not_found, "snapshot " + snapshot.id + " is gone");
  for (const auto& mount : snapshot.mounts)
    if (std::ranges::find(found, mount) == found.end())
      return Error(Code::not_found, "snapshot " + snapshot.id + " of " + mount + " is gone");
  return {};
}

// A snapshot can be written to before it is merged: what must outlive the restore goes into it.
Status Lvm::carry_into(const LogicalVolume& volume) {
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  const auto* mount = holding(table, value_of(volume, kMount));
  if (!mount) return {};
  const auto paths = carried(host_, table, *mount);
  if (paths.empty()) return {};
  const auto row = *mount;
  if (!volume.is_active()) {
    BELAY_TRY_ASSIGN(const auto said, run_tool(host_, {"lvchange", "--yes", "--ignoreactivationskip", "--activate", "y",
                                                       volume.path()}));
  }
  std::vector<std::string> arguments{"-t", row.type};
  if (row.type == "xfs") arguments.insert(arguments.end(), {"-o", "nouuid"});
  arguments.push_back("/dev/" + volume.path());
  BELAY_TRY_ASSIGN(const auto passing, PassingMount::make(host_, arguments));
  BELAY_TRY(carry_over(host_, paths, row, passing.path()));
  BELAY_TRY_ASSIGN(const auto synced, run_tool(host_, {"sync", "--file-system", passing.path()}));
  return {};
}

Status Lvm::merge(const Volumes& all, const LogicalVolume& volume, const std::string& tag) {
  BELAY_TRY(carry_into(volume));
  const auto origin = std::ranges::find_if(
      all, [&](const auto& other) { return other.group == volume.group && other.name == volume.origin; });
  if (origin == all.end()) return Error(Code::not_found, "the volume that " + volume.path() + " was taken of is gone");
  if (!bears(*origin, tag)) {
    BELAY_TRY_ASSIGN(const auto said,
                     run_tool(host_, {"lvchange", "--yes", "--addtag", std::string(kTag) + tag, origin->path()}));
  }
  // LVM merges a volume that is in use at its next activation.
  BELAY_TRY_ASSIGN(const auto said, run_tool(host_, {"lvconvert", "--yes", "--merge", volume.path()}));
  return {};
}

Result<Restored> Lvm::restore(const Snapshot& snapshot) {
  BELAY_TRY(check_tag(snapshot.id));
  BELAY_TRY_ASSIGN(const auto all, volumes());
  std::size_t found = 0, merged = 0;
  for (const auto& volume : all) {
    if (!bears(volume, snapshot.id)) continue;
    if (!is_snapshot(volume, snapshot.id)) merged += volume.has_merging() ? 0 : 1;
    else if (found += 1; !volume.is_merging()) BELAY_TRY(check_whole(all, volume));
  }
  if (found == 0 && merged > 0) return Restored{};  // done, and the machine has restarted since
  if (found == 0) return Error(Code::not_found, "snapshot " + snapshot.id + " is gone");
  for (const auto& volume : all)
    if (is_snapshot(volume, snapshot.id) && !volume.is_merging())
      BELAY_TRY(merge(all, volume, snapshot.id).within(value_of(volume, kMount) + " cannot be restored"));
  return Restored{true, {}};
}

Result<std::vector<SnapshotView>> Lvm::views(const Snapshot& snapshot) {
  BELAY_TRY(check_tag(snapshot.id));
  BELAY_TRY_ASSIGN(const auto all, volumes());
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  std::vector<SnapshotView> views;
  for (const auto& volume : all) {
    if (!is_snapshot(volume, snapshot.id)) continue;
    const auto mount = value_of(volume, kMount);
    const auto* row = holding(table, mount);
    if (!row) return Error(Code::not_found, mount + " is no mount any more, so its kind is not known");
    if (!volume.is_active()) {  // thin ones are passed over at activation, unless somebody asks for them
      BELAY_TRY_ASSIGN(const auto said, run_tool(host_, {"lvchange", "--yes", "--ignoreactivationskip", "--activate",
                                                         "y", volume.path()}));
    }
    // XFS refuses a second file system with the same name.
    views.push_back({mount, {"-t", row->type, "-o", row->type == "xfs" ? "ro,nouuid" : "ro", "/dev/" + volume.path()}});
  }
  if (views.empty()) return Error(Code::not_found, "snapshot " + snapshot.id + " is gone");
  return views;
}

Status Lvm::remove(const Snapshot& snapshot) {
  BELAY_TRY(check_tag(snapshot.id));
  BELAY_TRY_ASSIGN(const auto all, volumes());
  for (const auto& volume : all)
    if (is_snapshot(volume, snapshot.id) && volume.is_merging())
      return Error(Code::conflict,
                   volume.path() + " is merged at the next activation of its origin; restart the machine first");
  for (const auto& volume : all) {
    if (!bears(volume, snapshot.id)) continue;
    std::vector<std::string> argv{"lvremove", "--yes", volume.path()};
    if (!is_snapshot(volume, snapshot.id))
      argv = {"lvchange", "--yes", "--deltag", std::string(kTag) + snapshot.id, volume.path()};
    BELAY_TRY_ASSIGN(const auto said, run_tool(host_, argv));
  }
  return {};
}

}  // namespace

std::unique_ptr<SnapshotProvider> make_lvm(SnapshotHost host, int classic_percent) {
  return std::make_unique<Lvm>(std::move(host), classic_percent);
}

}  // namespace belay::agent
