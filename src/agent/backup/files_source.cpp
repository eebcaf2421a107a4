#include <algorithm>
#include <set>

#include "agent/backup/files_engine.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr std::size_t kMountinfoBytesMax = 4u << 20;
constexpr std::string_view kDiskTypes[] = {"ext2", "ext3", "ext4", "xfs",  "btrfs",
                                           "zfs",  "f2fs", "jfs",  "vfat", "exfat"};

bool is_below(std::string_view path, std::string_view directory) {
  return directory == "/" || path == directory ||
         (path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/');
}

// A mount point as mountinfo writes it: \040 is a blank.
std::string plain(std::string_view text) {
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      path += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      path += text[i];
    }
  }
  return path;
}

// Where file systems of disks are mounted, each once: what the whole system is.
Result<std::vector<std::string>> disks(const BackupHost& host) {
  BELAY_TRY_ASSIGN(const auto text,
                   host.files.read("/proc/self/mountinfo", kMountinfoBytesMax).within("mounts are not known"));
  std::vector<std::string> points;
  std::set<std::string, std::less<>> seen;  // devices: what is bound to a second place is the same
  for (const auto line : split(text, '\n')) {
    const auto fields = split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 6 || fields.end() - dash < 3) continue;
    const auto type = *(dash + 1);
    const bool is_root = fields[4] == "/";
    if (!is_root && std::ranges::find(kDiskTypes, type) == std::end(kDiskTypes)) continue;
    if (type == "btrfs" || seen.insert(std::string(fields[2])).second) points.push_back(plain(fields[4]));
  }
  if (std::ranges::find(points, "/") == points.end()) points.emplace_back("/");
  std::ranges::sort(points);
  points.erase(std::unique(points.begin(), points.end()), points.end());
  return points;
}

}  // namespace

Result<StoreWhat> what_to_store(const BackupHost& host, const backup::Job& job, const VaultAccess& access) {
  StoreWhat what;
  what.paths = what.must_exist = job.source.paths;
  what.excludes = job.source.excludes;
  what.tags = {"belay", "plan=" + job.plan_id};
  if (job.source.whole_system) {
    BELAY_TRY_ASSIGN(what.paths, disks(host));
    what.one_file_system = true;
    what.excludes.insert(what.excludes.end(), {"/proc", "/sys", "/dev", "/run", "/tmp/*", "/var/tmp/*"});
  }
  if (what.paths.empty()) return Error(Code::invalid_argument, "the plan names no path to back up", "source-missing");
  // A repository inside of what it stores would grow for ever, and our caches are of no use to anybody.
  for (const auto& own : {access.vault().kind == backup::VaultKind::local ? access.vault().path : std::string(),
                          host.work_directory, host.state_directory, job.scratch}) {
    const bool is_source = std::ranges::find(what.paths, own) != what.paths.end();
    if (!own.empty() && !is_source &&
        std::ranges::any_of(what.paths, [&](const auto& path) { return is_below(own, path); }))
      what.excludes.push_back(own);
  }
  return what;
}

}  // namespace belay::agent::backups
