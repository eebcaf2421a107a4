// Subvolumes of btrfs. In the top of each file system lies .belay/TAG/, and in it, each named after its mount:
//   %2Fhome           the snapshot, read-only
//   restored%2Fhome   what the default subvolume is after a restore (or was to become)
//   replaced%2Fhome   what a restore took out of the place that the boot names (subvol=)
#include <algorithm>
#include <map>

#include "agent/snapshots/snapshot_tools.hpp"
#include "agent/snapshots/tool_text.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

using namespace snapshots;

constexpr std::string_view kStore = "/.belay";
constexpr std::string_view kRestored = "restored", kReplaced = "replaced";
constexpr int kRestoresMax = 10, kDepthMax = 8;
constexpr std::size_t kFstabBytesMax = 1u << 20;

// How a subvolume comes to its mount at the next boot, and so how another one is put there.
enum class Boot { by_default, by_name };

struct Place {
  MountRow mount;
  Boot boot = Boot::by_default;
};

class Top {
 public:
  Top(PassingMount mount, std::string device) : mount_(std::move(mount)), device_(std::move(device)) {}
  const std::string& device() const { return device_; }
  std::string store() const { return mount_.path() + std::string(kStore); }
  std::string folder(std::string_view tag) const { return store() + "/" + std::string(tag); }
  // Of a path from the top, as the kernel writes it: "/@".
  std::string path(std::string_view from_top) const { return mount_.path() + std::string(from_top); }
  std::string from_top(std::string_view path) const { return std::string(path.substr(mount_.path().size())); }

 private:
  PassingMount mount_;
  std::string device_;
};

std::uint64_t id_of(const MountRow& row) { return to_number(option(row.options, "subvolid").value_or("")).value_or(0); }

// "restored%2Fhome", "restored1%2Fhome" of /home.
bool is_restored(std::string_view name, std::string_view point) {
  if (!name.starts_with(kRestored)) return false;
  name.remove_prefix(kRestored.size());
  return from_name(name.substr(std::min(name.find('%'), name.size()))) == point;
}

class Btrfs final : public SnapshotProvider {
 public:
  explicit Btrfs(SnapshotHost host) : host_(std::move(host)) {}
  std::string_view name() const override { return "btrfs"; }
  Result<Coverage> covers(const std::vector<std::string>& mounts) override;
  Result<Snapshot> create(std::string_view tag, const std::vector<std::string>& mounts) override;
  Status verify(const Snapshot& snapshot) override;
  Result<Restored> restore(const Snapshot& snapshot) override;
  Result<std::vector<Snapshot>> list() override;
  Result<std::vector<SnapshotView>> views(const Snapshot& snapshot) override;
  Status remove(const Snapshot& snapshot) override;

 private:
  Result<std::vector<Place>> places_of(const std::vector<std::string>& mounts, Coverage& coverage);
  Result<std::string> why_not(Place& place);
  std::string why_not_boot(const Place& place) const;
  Result<std::string> nested_in(const MountRow& mount, const std::vector<MountRow>& table);
  Result<Top> open(const MountRow& mount);
  Result<std::vector<Top>> open_all(const std::vector<std::string>& mounts = {});
  Result<std::uint64_t> default_of(const std::string& path);
  Result<Subvolume> show(const std::string& path);
  bool is_there(const std::string& path) const { return host_.files.info(path).ok(); }
  Result<bool> in_use(const Top& top, const std::string& path);
  Status destroy(const Top& top, const std::string& path, int depth = 0);
  Result<Restored> restore_one(const std::string& tag, const std::string& mount);
  Result<std::string> make_tree(const Top& top, const std::string& tag, const MountRow& mount);
  Result<std::vector<std::string>> names_in(const std::string& folder) const;
  Result<std::optional<Snapshot>> describe(const Top& top, const std::string& tag);

  SnapshotHost host_;
};

Result<std::uint64_t> Btrfs::default_of(const std::string& path) {
  BELAY_TRY_ASSIGN(const auto text, run_tool(host_, {"btrfs", "subvolume", "get-default", path}));
  return parse_default_subvolume(text);
}

Result<Subvolume> Btrfs::show(const std::string& path) {
  BELAY_TRY_ASSIGN(const auto text, run_tool(host_, {"btrfs", "subvolume", "show", path}));
  return parse_subvolume(text);
}

// The first subvolume inside that holds something: a snapshot of what is around it leaves an empty folder in its place.
// Those that are mounted by a name of their own are found by it after a restore as before.
Result<std::string> Btrfs::nested_in(const MountRow& mount, const std::vector<MountRow>& table) {
  BELAY_TRY_ASSIGN(const auto text, run_tool(host_, {"btrfs", "subvolume", "list", "-o", mount.point}));
  const std::string inside = mount.root == "/" ? "/" : mount.root + "/";
  for (const auto& nested : parse_subvolume_paths(text)) {
    const auto path = "/" + nested;
    if (!path.starts_with(inside) || path.starts_with(std::string(kStore) + "/")) continue;
    if (std::ranges::any_of(table, [&](const auto& row) { return row.device == mount.device && row.root == path; }))
      continue;
    const auto here = (mount.point == "/" ? "" : mount.point) + "/" + path.substr(inside.size());
    const auto content = host_.files.list(here);
    if (!content.ok() || !content->empty()) return here;
  }
  return std::string();
}

// Empty where another tree can be put in this one's place so that the next boot takes it.
Result<std::string> Btrfs::why_not(Place& place) {
  const auto& mount = place.mount;
  if (option(mount.options, "subvol").value_or("") != mount.root) return std::string("is a folder inside a subvolume");
  const auto fstab = host_.files.read(host_.fstab, kFstabBytesMax);
  auto options = fstab.ok() ? fstab_options(*fstab, mount.point).value_or("") : "";
  if (mount.point == "/")
    if (const auto line = host_.files.read(host_.command_line, kFstabBytesMax); line.ok())
      options = root_flags(*line) + "," + options;
  if (option(options, "subvolid"))
    return std::string("is booted by subvolid=, which no other subvolume can have; name it by subvol= alone");
  if (auto named = option(options, "subvol")) {
    place.boot = Boot::by_name;
    if (!named->starts_with('/')) named->insert(0, "/");
    if (*named != mount.root)
      return "is not what the next boot takes, subvol=" + sanitize(*named, 200) + "; restart first";
    if (*named == "/") return std::string("is booted by subvol=/, which no other subvolume can be");
  } else {
    BELAY_TRY_ASSIGN(const auto by_default, default_of(mount.point));
    if (by_default != id_of(mount))
      return std::string(
                 "is neither the default subvolume nor named by subvol= for the next boot; restart first, or name it "
                 "in ") +
             host_.fstab;
  }
  return std::string();
}

// A boot loader that names its files by path goes on reading the tree that a new default subvolume replaces.
std::string Btrfs::why_not_boot(const Place& place) const {
  if (place.boot == Boot::by_name) return {};
  const auto grub = host_.files.read(host_.grub_settings, kFstabBytesMax);
  if (grub.ok() && grub->find("SUSE_BTRFS_SNAPSHOT_BOOTING=\"true\"") != std::string::npos) return {};
  return "lies in the default subvolume: the boot loader goes on reading the old one after a restore; keep its old "
         "kernel as a boot entry";
}

Result<std::vector<Place>> Btrfs::places_of(const std::vector<std::string>& mounts, Coverage& coverage) {
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  std::vector<Place> places;
  for (const auto& path : mounts) {
    const auto* row = holding(table, path);
    if (!row || row->type != "btrfs") {
      refuse(coverage, path, row ? "lies on " + sanitize(row->type, 50) + ", not on btrfs" : "is no absolute path");
      continue;
    }
    Place place{*row, Boot::by_default};
    auto why = why_not(place);
    if (!why.ok() && why.error().code() == Code::not_found) why = std::string("needs the program btrfs (btrfs-progs)");
    if (!why.ok()) return why.error();
    if (why->empty()) {
      BELAY_TRY_ASSIGN(const auto nested, nested_in(*row, table));
      if (!nested.empty())
        *why = "holds a subvolume that is not empty, " + sanitize(nested, 200) +
               ", which would be missing after a restore; mount it by itself";
    }
    if (why->empty() && (path == "/boot" || path.starts_with("/boot/"))) *why = why_not_boot(place);
    if (!why->empty()) {
      refuse(coverage, path, *why);
      continue;
    }
    if (const auto space = host_.files.space(row->point); space.ok()) limit_free(coverage, space->bytes_free);
    if (std::ranges::none_of(places, [&](const auto& known) { return known.mount == *row; }))
      places.push_back(std::move(place));
  }
  return places;
}

Result<Coverage> Btrfs::covers(const std::vector<std::string>& mounts) {
  Coverage coverage;
  BELAY_TRY_ASSIGN(const auto places, places_of(mounts, coverage));
  return coverage;
}

Result<Top> Btrfs::open(const MountRow& mount) {
  BELAY_TRY_ASSIGN(auto passing, PassingMount::make(host_, {"-t", "btrfs", "-o", "subvolid=5", mount.source})
                                     .within("the top of the btrfs on " + mount.source + " cannot be reached"));
  return Top(std::move(passing), mount.device);
}

// Of the file systems under these mounts; of all where none is named.
Result<std::vector<Top>> Btrfs::open_all(const std::vector<std::string>& mounts) {
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  std::map<std::string, MountRow> devices;
  for (const auto& mount : mounts)
    if (const auto* row = holding(table, mount); row && row->type == "btrfs") devices.emplace(row->device, *row);
  for (const auto& row : table)
    if (mounts.empty() && row.type == "btrfs") devices.emplace(row.device, row);
  std::vector<Top> tops;
  for (const auto& [device, row] : devices) {
    BELAY_TRY_ASSIGN(auto top, open(row));
    tops.push_back(std::move(top));
  }
  return tops;
}

Result<std::vector<std::string>> Btrfs::names_in(const std::string& folder) const {
  auto names = host_.files.list(folder);
  if (!names.ok() && names.error().code() == Code::not_found) return std::vector<std::string>();
  return names;
}

Result<Snapshot> Btrfs::create(std::string_view tag, const std::vector<std::string>& mounts) {
  BELAY_TRY(check_tag(tag));
  Coverage coverage;
  BELAY_TRY_ASSIGN(const auto places, places_of(mounts, coverage));
  if (!coverage) {
    BELAY_TRY_ASSIGN(const auto all, list());  // one that was taken before is there all the same
    const auto known = std::ranges::find(all, tag, &Snapshot::id);
    if (known != all.end() && has_all(host_, *known, mounts)) return *known;
    return not_covered(coverage);
  }
  std::optional<Snapshot> taken;
  for (const auto& place : places) {
    BELAY_TRY_ASSIGN(const auto top, open(place.mount));
    const auto path = top.folder(tag) + "/" + to_name(place.mount.point);
    if (!is_there(path)) {
      BELAY_TRY(host_.files.make_directories(top.folder(tag), 0700));
      BELAY_TRY_ASSIGN(const auto said,
                       run_tool(host_, {"btrfs", "subvolume", "snapshot", "-r", place.mount.point, path}));
    }
    BELAY_TRY_ASSIGN(const auto described, describe(top, std::string(tag)));
    if (!described) return Error(Code::internal, "the snapshot of " + place.mount.point + " is gone at once");
    if (!taken) taken = described;
    else if (std::ranges::find(taken->mounts, place.mount.point) == taken->mounts.end())
      taken->mounts.insert(taken->mounts.end(), described->mounts.begin(), described->mounts.end());
  }
  if (!taken) return Error(Code::invalid_argument, "a snapshot of no mount at all was asked for");
  return *taken;
}

// nullopt where all there is under the tag is what the machine runs from.
Result<std::optional<Snapshot>> Btrfs::describe(const Top& top, const std::string& tag) {
  BELAY_TRY_ASSIGN(const auto names, names_in(top.folder(tag)));
  std::optional<Snapshot> found;
  for (const auto& name : names) {
    const auto path = top.folder(tag) + "/" + name;
    const auto mount = from_name(name);
    if (mount.empty()) {
      BELAY_TRY_ASSIGN(const bool used, in_use(top, path));
      if (used) continue;
    }
    const auto subvolume = show(path);
    if (!subvolume.ok()) continue;  // a folder of somebody else's
    if (!found) found = Snapshot{tag, std::string(this->name()), subvolume->created_at, {}, tag, {}};
    if (!mount.empty()) found->mounts.push_back(mount);
    found->taken_at = std::min(found->taken_at, subvolume->created_at);
  }
  if (found) found->expires_at = found->taken_at + host_.keep;
  return found;
}

Result<std::vector<Snapshot>> Btrfs::list() {
  std::map<std::string, Snapshot> found;
  BELAY_TRY_ASSIGN(const auto tops, open_all());
  for (const auto& top : tops) {
    BELAY_TRY_ASSIGN(const auto tags, names_in(top.store()));
    for (const auto& tag : tags) {
      if (!check_tag(tag).ok() || found.size() >= kSnapshotsMax) continue;
      BELAY_TRY_ASSIGN(const auto described, describe(top, tag));
      if (!described) continue;
      auto& known = found.try_emplace(tag, *described).first->second;
      for (const auto& mount : described->mounts)
        if (std::ranges::find(known.mounts, mount) == known.mounts.end()) known.mounts.push_back(mount);
    }
  }
  std::vector<Snapshot> all;
  for (auto& [tag, snapshot] : found) all.push_back(std::move(snapshot));
  return all;
}

Result<std::vector<SnapshotView>> Btrfs::views(const Snapshot& snapshot) {
  BELAY_TRY(check_tag(snapshot.id));
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  std::vector<SnapshotView> all;
  for (const auto& mount : snapshot.mounts) {
    const auto* row = holding(table, mount);
    if (!row || row->type != "btrfs") return Error(Code::not_found, mount + " is no mount of btrfs any more");
    const auto path = std::string(kStore) + "/" + snapshot.id + "/" + to_name(mount);
    all.push_back({mount, {"-t", "btrfs", "-o", "ro,subvol=" + path, row->source}});
  }
  return all;
}

Status Btrfs::verify(const Snapshot& snapshot) {
  BELAY_TRY(check_tag(snapshot.id));
  auto mounts = snapshot.mounts;
  if (mounts.empty()) {
    BELAY_TRY_ASSIGN(const auto all, list());
    for (const auto& one : all)
      if (one.id == snapshot.id) mounts = one.mounts;
  }
  if (mounts.empty()) return Error(Code::not_found, "snapshot " + snapshot.id + " is gone");
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  for (const auto& mount : mounts) {
    const auto* row = holding(table, mount);
    if (!row || row->type != "btrfs") return Error(Code::not_found, mount + " lies on btrfs no more");
    BELAY_TRY_ASSIGN(const auto top, open(*row));
    const auto path = top.folder(snapshot.id) + "/" + to_name(row->point);
    if (!is_there(path)) return Error(Code::not_found, "snapshot " + snapshot.id + " of " + mount + " is gone");
    BELAY_TRY_ASSIGN(const auto subvolume, show(path).within("snapshot " + snapshot.id + " of " + mount));
    if (!subvolume.read_only)
      return Error(Code::corrupt,
                   "snapshot " + snapshot.id + " of " + mount + " was made writable: it may have been changed");
  }
  return {};
}

// Mounted, or what the next boot mounts.
Result<bool> Btrfs::in_use(const Top& top, const std::string& path) {
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  const auto root = top.from_top(path);
  for (const auto& row : table)
    if (row.device == top.device() && (row.root == root || row.root.starts_with(root + "/"))) return true;
  const auto subvolume = show(path);
  if (!subvolume.ok()) return false;
  BELAY_TRY_ASSIGN(const auto by_default, default_of(top.path("/")));
  return by_default == subvolume->id;
}

// With the subvolumes inside, innermost first.
Status Btrfs::destroy(const Top& top, const std::string& path, int depth) {
  BELAY_TRY_ASSIGN(const auto text, run_tool(host_, {"btrfs", "subvolume", "list", "-o", path}));
  const auto inside = top.from_top(path) + "/";
  for (const auto& nested : parse_subvolume_paths(text))
    if (("/" + nested).starts_with(inside)) {
      if (depth == kDepthMax)
        return Error(Code::resource_exhausted, path + " holds subvolumes nested too deep; delete them by hand");
      BELAY_TRY(destroy(top, top.path("/" + nested), depth + 1));
    }
  BELAY_TRY_ASSIGN(const auto said, run_tool(host_, {"btrfs", "subvolume", "delete", "--commit-after", path}));
  return {};
}

// A writable tree of the snapshot, whole and on the disk, that is not in its place yet.
Result<std::string> Btrfs::make_tree(const Top& top, const std::string& tag, const MountRow& mount) {
  const auto folder = top.folder(tag) + "/";
  for (int i = 0; i < kRestoresMax; ++i) {
    const auto path = folder + std::string(kRestored) + (i ? std::to_string(i) : "") + to_name(mount.point);
    if (is_there(path)) {
      BELAY_TRY_ASSIGN(const bool used, in_use(top, path));
      if (used) continue;  // an earlier restore, from which the machine runs
      BELAY_TRY(destroy(top, path));
    }
    BELAY_TRY_ASSIGN(const auto said,
                     run_tool(host_, {"btrfs", "subvolume", "snapshot", folder + to_name(mount.point), path}));
    BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
    BELAY_TRY(carry_over(host_, carried(host_, table, mount), mount, path));
    BELAY_TRY_ASSIGN(const auto synced, run_tool(host_, {"sync", "--file-system", path}));
    return path;
  }
  return Error(Code::resource_exhausted, "snapshot " + tag + " was restored too often without a restart");
}

Result<Restored> Btrfs::restore_one(const std::string& tag, const std::string& point) {
  BELAY_TRY_ASSIGN(const auto table, read_mounts(host_));
  const auto* row = holding(table, point);
  if (!row || row->type != "btrfs") return Error(Code::not_found, point + " lies on btrfs no more");
  const auto mount = *row;
  BELAY_TRY_ASSIGN(const auto top, open(mount));
  const auto mine = std::string(kStore) + "/" + tag + "/";
  BELAY_TRY_ASSIGN(const auto by_default, default_of(mount.point));
  const auto replaced = top.folder(tag) + "/" + std::string(kReplaced) + to_name(mount.point);
  // What runs was taken out of its place already, or is not what the next boot takes: this restore waits for the
  // reboot.
  if (mount.root.starts_with(mine) && by_default != id_of(mount)) return Restored{true, {}};
  BELAY_TRY_ASSIGN(const auto names, names_in(top.folder(tag)));
  for (const auto& name : names) {
    if (!is_restored(name, mount.point)) continue;
    const auto waiting = show(top.folder(tag) + "/" + name);
    if (waiting.ok() && waiting->id == by_default && by_default != id_of(mount)) return Restored{true, {}};
  }
  Place place{mount, Boot::by_default};
  BELAY_TRY_ASSIGN(const auto why, why_not(place));
  if (!why.empty()) return Error(Code::conflict, mount.point + " " + why);
  BELAY_TRY_ASSIGN(const auto tree, make_tree(top, tag, mount));
  if (place.boot == Boot::by_default) {
    BELAY_TRY_ASSIGN(const auto made, show(tree));
    BELAY_TRY_ASSIGN(const auto said,
                     run_tool(host_, {"btrfs", "subvolume", "set-default", std::to_string(made.id), top.path("/")}));
    return Restored{
        true,
        {"subvolume " + (mount.root == "/" ? "/ (the top of the file system)" : mount.root) + " of " + mount.source +
         ", which was " + mount.point + ", is left as it was; delete it when nobody needs it"}};
  }
  if (is_there(replaced)) BELAY_TRY(destroy(top, replaced));
  BELAY_TRY(host_.files.exchange_durable(tree, top.path(mount.root)));
  BELAY_TRY(host_.files.rename_durable(tree, replaced));
  return Restored{true, {}};
}

Result<Restored> Btrfs::restore(const Snapshot& snapshot) {
  BELAY_TRY(verify(snapshot));
  auto mounts = snapshot.mounts;
  if (mounts.empty()) {
    BELAY_TRY_ASSIGN(const auto all, list());
    for (const auto& one : all)
      if (one.id == snapshot.id) mounts = one.mounts;
  }
  Restored whole;
  for (const auto& mount : mounts) {
    BELAY_TRY_ASSIGN(auto one, restore_one(snapshot.id, mount).within(mount + " cannot be restored"));
    whole.needs_reboot = whole.needs_reboot || one.needs_reboot;
    whole.left.insert(whole.left.end(), one.left.begin(), one.left.end());
  }
  return whole;
}

Status Btrfs::remove(const Snapshot& snapshot) {
  BELAY_TRY(check_tag(snapshot.id));
  BELAY_TRY_ASSIGN(const auto tops, open_all(snapshot.mounts));
  for (const auto& top : tops) {
    const auto folder = top.folder(snapshot.id);
    BELAY_TRY_ASSIGN(const auto names, names_in(folder));
    std::size_t kept = 0;
    for (const auto& name : names) {
      const auto path = folder + "/" + name;
      BELAY_TRY_ASSIGN(const bool used, in_use(top, path));
      if (used && name.starts_with(kReplaced))
        return Error(Code::conflict,
                     "the machine still runs from what snapshot " + snapshot.id + " replaced; restart it first");
      if (used) kept += 1;
      else BELAY_TRY(destroy(top, path));
    }
    if (kept == 0 && is_there(folder)) BELAY_TRY(host_.files.remove_tree(folder));
  }
  return {};
}

}  // namespace

std::unique_ptr<SnapshotProvider> make_btrfs(SnapshotHost host) { return std::make_unique<Btrfs>(std::move(host)); }

}  // namespace belay::agent
