// Folders that are snapshot by copying them: for labs, and for what lies on no file system that can do better. Under
// COPIES/TAG lies a copy named after each folder, and `complete` once all of them are whole.
#include <algorithm>

#include "agent/snapshots/snapshot_tools.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

using namespace snapshots;

constexpr std::string_view kComplete = "complete";
constexpr std::size_t kCompleteBytesMax = 100;

class CopiedTree final : public SnapshotProvider {
 public:
  CopiedTree(SnapshotHost host, std::vector<std::string> folders, std::string copies)
      : host_(std::move(host)), folders_(std::move(folders)), copies_(std::move(copies)) {}
  std::string_view name() const override { return "copy"; }
  Result<Coverage> covers(const std::vector<std::string>& mounts) override;
  Result<Snapshot> create(std::string_view tag, const std::vector<std::string>& mounts) override;
  Status verify(const Snapshot& snapshot) override;
  Result<Restored> restore(const Snapshot& snapshot) override;
  Result<std::vector<Snapshot>> list() override;
  Result<std::vector<SnapshotView>> views(const Snapshot& snapshot) override;
  Status remove(const Snapshot& snapshot) override;

 private:
  std::string why_not(const std::string& folder, const std::vector<MountRow>& table) const;
  std::string place(std::string_view tag) const { return copies_ + "/" + std::string(tag); }
  Result<std::vector<std::string>> names_in(const std::string& folder) const;
  Result<std::optional<Snapshot>> find(const std::string& tag) const;
  Status restore_one(const std::string& tag, const std::string& folder);

  SnapshotHost host_;
  std::vector<std::string> folders_;
  std::string copies_;
};

bool lies_in(std::string_view path, std::string_view folder) {
  return path == folder || path.starts_with(std::string(folder) + "/");
}

std::string CopiedTree::why_not(const std::string& folder, const std::vector<MountRow>& table) const {
  if (std::ranges::find(folders_, folder) == folders_.end()) return "is none of the folders that are copied";
  const auto info = host_.files.info(folder);
  if (!info.ok() || info->kind != io::FileInfo::Kind::directory) return "is no folder";
  for (const auto& row : table)
    if (lies_in(row.point, folder))
      return "has a mount on it, " + sanitize(row.point, 200) + ": it cannot be exchanged for its copy";
  return lies_in(copies_, folder) ? "holds the copies themselves" : "";
}

Result<Coverage> CopiedTree::covers(const std::vector<std::string>& mounts) {
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  Coverage coverage;
  for (const auto& folder : mounts)
    if (const auto why = why_not(folder, table); !why.empty()) refuse(coverage, folder, why);
  if (const auto space = host_.files.space(copies_); space.ok()) coverage.bytes_free = space->bytes_free;
  return coverage;
}

Result<std::vector<std::string>> CopiedTree::names_in(const std::string& folder) const {
  auto names = host_.files.list(folder);
  if (!names.ok() && names.error().code() == Code::not_found) return std::vector<std::string>();
  return names;
}

// nullopt where there is none that was finished.
Result<std::optional<Snapshot>> CopiedTree::find(const std::string& tag) const {
  BELAY_TRY(check_tag(tag));
  const auto complete = host_.files.read(place(tag) + "/" + std::string(kComplete), kCompleteBytesMax);
  if (!complete.ok() && complete.error().code() == Code::not_found) return std::optional<Snapshot>();
  if (!complete.ok()) return complete.error();
  BELAY_TRY_ASSIGN(const auto taken_at, parse_iso8601(*complete).within(place(tag) + " does not say when it was made"));
  std::optional<Snapshot> found = Snapshot{tag, "copy", taken_at, {}, tag, taken_at + host_.keep};
  BELAY_TRY_ASSIGN(const auto names, names_in(place(tag)));
  for (const auto& name : names)
    if (auto folder = from_name(name); !folder.empty()) found->mounts.push_back(std::move(folder));
  return found;
}

Result<Snapshot> CopiedTree::create(std::string_view tag, const std::vector<std::string>& mounts) {
  BELAY_TRY_ASSIGN(const auto existing, find(std::string(tag)));
  if (existing) return *existing;
  BELAY_TRY_ASSIGN(const auto coverage, covers(mounts));
  if (!coverage) return not_covered(coverage);
  BELAY_TRY(host_.files.remove_tree(place(tag)));  // one that was cut off
  BELAY_TRY(host_.files.make_directories(place(tag), 0700));
  for (const auto& folder : mounts) BELAY_TRY(copy_tree(host_, folder, place(tag) + "/" + to_name(folder)));
  BELAY_TRY_ASSIGN(const auto synced, run_tool(host_, {"sync", "--file-system", place(tag)}));
  BELAY_TRY(host_.files.write_durable(place(tag) + "/" + std::string(kComplete), to_iso8601(host_.clock.now()), 0600));
  BELAY_TRY_ASSIGN(const auto taken, find(std::string(tag)));
  if (!taken) return Error(Code::internal, "the copy " + place(tag) + " is gone at once");
  return *taken;
}

Status CopiedTree::verify(const Snapshot& snapshot) {
  BELAY_TRY_ASSIGN(const auto found, find(snapshot.id));
  if (!found) return Error(Code::not_found, "snapshot " + snapshot.id + " is gone");
  for (const auto& folder : snapshot.mounts)
    if (std::ranges::find(found->mounts, folder) == found->mounts.end())
      return Error(Code::not_found, "snapshot " + snapshot.id + " of " + folder + " is gone");
  return {};
}

// A second copy beside the folder takes its place in one step.
Status CopiedTree::restore_one(const std::string& tag, const std::string& folder) {
  const auto beside = folder + ".belay-" + tag;
  BELAY_TRY(host_.files.remove_tree(beside));
  BELAY_TRY(copy_tree(host_, place(tag) + "/" + to_name(folder), beside));
  for (const auto& path : host_.carry_over) {
    if (!path.starts_with(folder + "/") || !host_.files.info(path).ok()) continue;
    const auto target = beside + path.substr(folder.size());
    BELAY_TRY(host_.files.remove_tree(target));
    BELAY_TRY(host_.files.make_directories(target.substr(0, target.rfind('/')), 0755));
    BELAY_TRY(copy_tree(host_, path, target));
  }
  BELAY_TRY_ASSIGN(const auto synced, run_tool(host_, {"sync", "--file-system", beside}));
  BELAY_TRY(host_.files.exchange_durable(beside, folder));
  return host_.files.remove_tree(beside);
}

Result<Restored> CopiedTree::restore(const Snapshot& snapshot) {
  BELAY_TRY(verify(snapshot));
  BELAY_TRY_ASSIGN(const auto found, find(snapshot.id));
  for (const auto& folder : snapshot.mounts.empty() ? found->mounts : snapshot.mounts)
    BELAY_TRY(restore_one(snapshot.id, folder).within(folder + " cannot be restored"));
  return Restored{};
}

Result<std::vector<Snapshot>> CopiedTree::list() {
  BELAY_TRY_ASSIGN(const auto tags, names_in(copies_));
  std::vector<Snapshot> found;
  for (const auto& tag : tags) {
    if (!check_tag(tag).ok() || found.size() >= kSnapshotsMax) continue;
    BELAY_TRY_ASSIGN(const auto one, find(tag));
    if (one) found.push_back(*one);
    // Cut off while it was made: of no use, and it takes room all the same.
    else if (const auto info = host_.files.info(place(tag)); info.ok())
      found.push_back({tag, "copy", info->modified, {}, tag, info->modified});
  }
  return found;
}

Result<std::vector<SnapshotView>> CopiedTree::views(const Snapshot& snapshot) {
  BELAY_TRY_ASSIGN(const auto found, find(snapshot.id));
  if (!found) return Error(Code::not_found, "snapshot " + snapshot.id + " is gone");
  std::vector<SnapshotView> all;
  for (const auto& folder : found->mounts)
    all.push_back({folder, {"--bind", "-o", "ro", place(snapshot.id) + "/" + to_name(folder)}});
  return all;
}

Status CopiedTree::remove(const Snapshot& snapshot) {
  BELAY_TRY(check_tag(snapshot.id));
  BELAY_TRY(host_.files.remove(place(snapshot.id) + "/" + std::string(kComplete)));
  return host_.files.remove_tree(place(snapshot.id));
}

}  // namespace

std::unique_ptr<SnapshotProvider> make_copied_tree(SnapshotHost host, std::vector<std::string> folders,
                                                   std::string copies) {
  return std::make_unique<CopiedTree>(std::move(host), std::move(folders), std::move(copies));
}

}  // namespace belay::agent
